// Derived from proto/hognose/v1/worker.proto by tools/protocol. Do not edit: run `node tools/protocol/generate.mjs`.
import type { INamespace } from 'protobufjs';

/** The contract for protobufjs. */
export const DESCRIPTOR: INamespace = {
  "nested": {
    "hognose": {
      "nested": {
        "v1": {
          "nested": {
            "Worker": {
              "methods": {
                "Attach": {
                  "requestType": "HostFrame",
                  "requestStream": true,
                  "responseType": "WorkerFrame",
                  "responseStream": true
                }
              }
            },
            "HostFrame": {
              "fields": {
                "messages": {
                  "rule": "repeated",
                  "type": "HostMessage",
                  "id": 1
                }
              }
            },
            "HostMessage": {
              "oneofs": {
                "message": {
                  "oneof": [
                    "call",
                    "release",
                    "pythonPath",
                    "goodbye"
                  ]
                }
              },
              "fields": {
                "call": {
                  "type": "Call",
                  "id": 1
                },
                "release": {
                  "type": "Release",
                  "id": 2
                },
                "pythonPath": {
                  "type": "PythonPath",
                  "id": 3
                },
                "goodbye": {
                  "type": "Goodbye",
                  "id": 4
                }
              }
            },
            "WorkerFrame": {
              "fields": {
                "messages": {
                  "rule": "repeated",
                  "type": "WorkerMessage",
                  "id": 1
                }
              }
            },
            "WorkerMessage": {
              "oneofs": {
                "message": {
                  "oneof": [
                    "hello",
                    "ready",
                    "result",
                    "raised"
                  ]
                }
              },
              "fields": {
                "hello": {
                  "type": "Hello",
                  "id": 1
                },
                "ready": {
                  "type": "Ready",
                  "id": 2
                },
                "result": {
                  "type": "Result",
                  "id": 3
                },
                "raised": {
                  "type": "Raised",
                  "id": 4
                }
              }
            },
            "Value": {
              "fields": {
                "msgpack": {
                  "type": "bytes",
                  "id": 1
                }
              }
            },
            "CallType": {
              "values": {
                "CALL_TYPE_UNSPECIFIED": 0,
                "FUNCTION": 1,
                "CLASS": 2,
                "METHOD": 3,
                "GET_ATTR": 4,
                "SET_ATTR": 5,
                "ITEM": 6,
                "INLINE": 7
              }
            },
            "ResultMode": {
              "values": {
                "AUTO": 0,
                "VALUE": 1,
                "HANDLE": 2
              }
            },
            "Call": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "payloadVersion": {
                  "type": "uint32",
                  "id": 2
                },
                "callType": {
                  "type": "CallType",
                  "id": 3
                },
                "target": {
                  "type": "string",
                  "id": 4
                },
                "handle": {
                  "type": "uint64",
                  "id": 5
                },
                "inline": {
                  "type": "Inline",
                  "id": 6
                },
                "args": {
                  "type": "Value",
                  "id": 7
                },
                "kwargs": {
                  "type": "Value",
                  "id": 8
                },
                "steps": {
                  "rule": "repeated",
                  "type": "Step",
                  "id": 9
                },
                "result": {
                  "type": "ResultMode",
                  "id": 10
                }
              }
            },
            "Inline": {
              "fields": {
                "hash": {
                  "type": "string",
                  "id": 1
                },
                "parts": {
                  "rule": "repeated",
                  "type": "string",
                  "id": 2
                },
                "file": {
                  "type": "string",
                  "id": 3
                },
                "line": {
                  "type": "uint32",
                  "id": 4
                }
              }
            },
            "StepKind": {
              "values": {
                "STEP_KIND_UNSPECIFIED": 0,
                "ATTRIBUTE": 1,
                "INVOKE": 2,
                "SUBSCRIPT": 3
              }
            },
            "Step": {
              "fields": {
                "kind": {
                  "type": "StepKind",
                  "id": 1
                },
                "name": {
                  "type": "string",
                  "id": 2
                },
                "args": {
                  "type": "Value",
                  "id": 3
                },
                "kwargs": {
                  "type": "Value",
                  "id": 4
                }
              }
            },
            "Release": {
              "fields": {
                "handles": {
                  "rule": "repeated",
                  "type": "Released",
                  "id": 1
                }
              }
            },
            "Released": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "received": {
                  "type": "uint32",
                  "id": 2
                }
              }
            },
            "PythonPath": {
              "fields": {
                "directories": {
                  "rule": "repeated",
                  "type": "string",
                  "id": 1
                }
              }
            },
            "Goodbye": {
              "fields": {
                "reason": {
                  "type": "string",
                  "id": 1
                }
              }
            },
            "Role": {
              "values": {
                "ROLE_UNSPECIFIED": 0,
                "DATA": 1,
                "LIFELINE": 2
              }
            },
            "Hello": {
              "fields": {
                "protocolVersion": {
                  "type": "uint32",
                  "id": 1
                },
                "role": {
                  "type": "Role",
                  "id": 2
                },
                "workerId": {
                  "type": "uint32",
                  "id": 3
                },
                "secret": {
                  "type": "string",
                  "id": 4
                },
                "pid": {
                  "type": "uint32",
                  "id": 5
                },
                "pythonVersion": {
                  "type": "string",
                  "id": 6
                }
              }
            },
            "Ready": {
              "fields": {
                "payloadVersion": {
                  "type": "uint32",
                  "id": 1
                }
              }
            },
            "Result": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "value": {
                  "type": "Value",
                  "id": 2
                }
              }
            },
            "Raised": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "error": {
                  "type": "Error",
                  "id": 2
                }
              }
            },
            "Error": {
              "fields": {
                "type": {
                  "type": "string",
                  "id": 1
                },
                "module": {
                  "type": "string",
                  "id": 2
                },
                "mro": {
                  "rule": "repeated",
                  "type": "string",
                  "id": 3
                },
                "message": {
                  "type": "string",
                  "id": 4
                },
                "args": {
                  "type": "Value",
                  "id": 5
                },
                "frames": {
                  "rule": "repeated",
                  "type": "StackFrame",
                  "id": 6
                },
                "notes": {
                  "rule": "repeated",
                  "type": "string",
                  "id": 7
                },
                "cause": {
                  "type": "Error",
                  "id": 8
                },
                "traceback": {
                  "type": "string",
                  "id": 9
                }
              }
            },
            "StackFrame": {
              "fields": {
                "file": {
                  "type": "string",
                  "id": 1
                },
                "line": {
                  "type": "uint32",
                  "id": 2
                },
                "name": {
                  "type": "string",
                  "id": 3
                },
                "source": {
                  "type": "string",
                  "id": 4
                }
              }
            }
          }
        }
      }
    }
  }
};

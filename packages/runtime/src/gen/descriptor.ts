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
                    "goodbye",
                    "cancel",
                    "recall",
                    "attend",
                    "streamCredit",
                    "callbackResult",
                    "callbackRaised",
                    "sessionOpen",
                    "sessionClose",
                    "measure",
                    "drain",
                    "leaseReturn",
                    "chunk",
                    "segmentsClosed",
                    "trim"
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
                },
                "cancel": {
                  "type": "Cancel",
                  "id": 5
                },
                "recall": {
                  "type": "Recall",
                  "id": 6
                },
                "attend": {
                  "type": "Attend",
                  "id": 7
                },
                "streamCredit": {
                  "type": "StreamCredit",
                  "id": 8
                },
                "callbackResult": {
                  "type": "CallbackResult",
                  "id": 9
                },
                "callbackRaised": {
                  "type": "CallbackRaised",
                  "id": 10
                },
                "sessionOpen": {
                  "type": "SessionOpen",
                  "id": 11
                },
                "sessionClose": {
                  "type": "SessionClose",
                  "id": 12
                },
                "measure": {
                  "type": "Measure",
                  "id": 13
                },
                "drain": {
                  "type": "Drain",
                  "id": 14
                },
                "leaseReturn": {
                  "type": "LeaseReturn",
                  "id": 15
                },
                "chunk": {
                  "type": "Chunk",
                  "id": 16
                },
                "segmentsClosed": {
                  "type": "SegmentsClosed",
                  "id": 17
                },
                "trim": {
                  "type": "Trim",
                  "id": 18
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
                    "raised",
                    "awaiting",
                    "recalled",
                    "streamItems",
                    "streamEnd",
                    "callback",
                    "releaseFunctions",
                    "log",
                    "metrics",
                    "goodbye",
                    "leaseReturn",
                    "chunk",
                    "segmentsClosed"
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
                },
                "awaiting": {
                  "type": "Awaiting",
                  "id": 5
                },
                "recalled": {
                  "type": "Recalled",
                  "id": 6
                },
                "streamItems": {
                  "type": "StreamItems",
                  "id": 7
                },
                "streamEnd": {
                  "type": "StreamEnd",
                  "id": 8
                },
                "callback": {
                  "type": "Callback",
                  "id": 9
                },
                "releaseFunctions": {
                  "type": "ReleaseFunctions",
                  "id": 10
                },
                "log": {
                  "type": "Log",
                  "id": 11
                },
                "metrics": {
                  "type": "Metrics",
                  "id": 12
                },
                "goodbye": {
                  "type": "Goodbye",
                  "id": 13
                },
                "leaseReturn": {
                  "type": "LeaseReturn",
                  "id": 14
                },
                "chunk": {
                  "type": "Chunk",
                  "id": 15
                },
                "segmentsClosed": {
                  "type": "SegmentsClosed",
                  "id": 16
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
                "INLINE": 7,
                "HELPER": 8,
                "HAND_OVER": 9
              }
            },
            "ResultMode": {
              "values": {
                "AUTO": 0,
                "VALUE": 1,
                "HANDLE": 2,
                "NONE": 3
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
                "args": {
                  "type": "Value",
                  "id": 5
                },
                "deadlineMs": {
                  "type": "uint64",
                  "id": 6
                },
                "kwargs": {
                  "type": "Value",
                  "id": 7
                },
                "handle": {
                  "type": "uint64",
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
                },
                "inline": {
                  "type": "Inline",
                  "id": 11
                },
                "parentCall": {
                  "type": "uint64",
                  "id": 12
                },
                "sessionId": {
                  "type": "uint64",
                  "id": 13
                },
                "idempotent": {
                  "type": "bool",
                  "id": 14
                },
                "trace": {
                  "type": "string",
                  "id": 15
                },
                "credit": {
                  "type": "uint32",
                  "id": 16
                },
                "sourceCall": {
                  "type": "uint64",
                  "id": 17
                },
                "uses": {
                  "type": "uint32",
                  "id": 18
                },
                "attempt": {
                  "type": "uint32",
                  "id": 19
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
            "CancelReason": {
              "values": {
                "ABORT": 0,
                "DEADLINE": 1
              }
            },
            "Cancel": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "reason": {
                  "type": "CancelReason",
                  "id": 2
                }
              }
            },
            "Recall": {
              "fields": {
                "ids": {
                  "rule": "repeated",
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "Attend": {
              "fields": {}
            },
            "StreamCredit": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "count": {
                  "type": "uint32",
                  "id": 2
                }
              }
            },
            "CallbackResult": {
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
            "CallbackRaised": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "error": {
                  "type": "HostError",
                  "id": 2
                }
              }
            },
            "HostError": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "name": {
                  "type": "string",
                  "id": 2
                },
                "message": {
                  "type": "string",
                  "id": 3
                },
                "stack": {
                  "type": "string",
                  "id": 4
                }
              }
            },
            "SessionOpen": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "SessionClose": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "Measure": {
              "fields": {}
            },
            "Drain": {
              "fields": {}
            },
            "LeaseReturn": {
              "fields": {
                "ids": {
                  "rule": "repeated",
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "SegmentsClosed": {
              "fields": {
                "segments": {
                  "rule": "repeated",
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "Trim": {
              "fields": {
                "idleMs": {
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "Chunk": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "totalBytes": {
                  "type": "uint64",
                  "id": 2
                },
                "data": {
                  "type": "bytes",
                  "id": 3
                },
                "call": {
                  "type": "uint64",
                  "id": 4
                }
              }
            },
            "Role": {
              "values": {
                "ROLE_UNSPECIFIED": 0,
                "DATA": 1,
                "LIFELINE": 2,
                "CONTROL": 3,
                "SEGMENTS": 4
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
                },
                "payloadVersions": {
                  "rule": "repeated",
                  "type": "uint32",
                  "id": 7
                },
                "version": {
                  "type": "string",
                  "id": 8
                }
              }
            },
            "Ready": {
              "fields": {
                "capabilities": {
                  "rule": "repeated",
                  "type": "string",
                  "id": 1
                },
                "sourceHash": {
                  "type": "string",
                  "id": 2
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
            "Awaiting": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "Recalled": {
              "fields": {
                "ids": {
                  "rule": "repeated",
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "StreamItems": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "items": {
                  "type": "Value",
                  "id": 2
                }
              }
            },
            "StreamEnd": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "error": {
                  "type": "Error",
                  "id": 2
                },
                "isResumable": {
                  "type": "bool",
                  "id": 3
                }
              }
            },
            "Callback": {
              "fields": {
                "id": {
                  "type": "uint64",
                  "id": 1
                },
                "function": {
                  "type": "uint64",
                  "id": 2
                },
                "args": {
                  "type": "Value",
                  "id": 3
                },
                "kwargs": {
                  "type": "Value",
                  "id": 4
                },
                "call": {
                  "type": "uint64",
                  "id": 5
                }
              }
            },
            "ReleaseFunctions": {
              "fields": {
                "functions": {
                  "rule": "repeated",
                  "type": "Released",
                  "id": 1
                }
              }
            },
            "LogSource": {
              "values": {
                "LOGGING": 0,
                "WARNINGS": 1
              }
            },
            "Log": {
              "fields": {
                "source": {
                  "type": "LogSource",
                  "id": 1
                },
                "level": {
                  "type": "uint32",
                  "id": 2
                },
                "logger": {
                  "type": "string",
                  "id": 3
                },
                "text": {
                  "type": "string",
                  "id": 4
                },
                "file": {
                  "type": "string",
                  "id": 5
                },
                "line": {
                  "type": "uint32",
                  "id": 6
                },
                "call": {
                  "type": "uint64",
                  "id": 7
                },
                "timeMs": {
                  "type": "uint64",
                  "id": 8
                }
              }
            },
            "Metrics": {
              "fields": {
                "rssBytes": {
                  "type": "uint64",
                  "id": 1
                },
                "cpuMs": {
                  "type": "uint64",
                  "id": 2
                },
                "handles": {
                  "type": "uint32",
                  "id": 3
                },
                "functions": {
                  "type": "uint32",
                  "id": 4
                },
                "running": {
                  "type": "uint32",
                  "id": 5
                },
                "waiting": {
                  "type": "uint32",
                  "id": 6
                },
                "streams": {
                  "type": "uint32",
                  "id": 7
                },
                "answered": {
                  "type": "uint64",
                  "id": 8
                },
                "sharedBytes": {
                  "type": "uint64",
                  "id": 9
                },
                "sharedUsedBytes": {
                  "type": "uint64",
                  "id": 10
                },
                "lent": {
                  "type": "uint64",
                  "id": 11
                },
                "borrowed": {
                  "type": "uint64",
                  "id": 12
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
                },
                "exceptions": {
                  "rule": "repeated",
                  "type": "Error",
                  "id": 10
                },
                "hostError": {
                  "type": "uint64",
                  "id": 11
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

/*
 * What NumPy calls for the memory of arrays (NEP 49), between NumPy and the Python code of numpy_arena.py.
 *
 * Why this is no Python: NumPy may free an array while an exception is on its way, and Python code that is called then
 * loses the exception; a signal handler that raises would leave a callback of ctypes without a result, and NumPy would
 * take what happens to lie on the stack for its memory; and most arrays are small and shall cost nothing.
 *
 * Freestanding, position-independent and without data of its own: everything comes with the context, which NumPy hands
 * to each function. `build.py` makes hognose_shm/gen/numpy_hooks.py of it; numpy_arena.py has the same structure.
 */

typedef unsigned long size;

struct context {
  /* A smaller array is ordinary memory; with the largest number, every array is. */
  size threshold;

  /* Where ordinary memory comes from: the allocator that NumPy had before. */
  void *ordinary;
  void *(*ordinary_malloc)(void *ordinary, size length);
  void *(*ordinary_calloc)(void *ordinary, size count, size each);
  void *(*ordinary_realloc)(void *ordinary, void *memory, size length);
  void (*ordinary_free)(void *ordinary, void *memory, size length);

  /* Python's C API. */
  int (*gil_ensure)(void);
  void (*gil_release)(int state);
  void (*fetch_error)(void **type, void **value, void **trace);
  void (*restore_error)(void *type, void *value, void *trace);
  void (*report_error)(void *where);
  void *(*call)(void *function, const char *format, ...);
  void *(*as_pointer)(void *number);
  void (*drop)(void *object);
  size (*thread)(void);
  int (*raise_in_thread)(size thread, void *type);
  const char *format; /* two numbers */
  void *(*copy)(void *to, const void *from, size length);

  /* Functions in Python of two numbers, an address and a length. They give a number, the type of an exception that came
     when their work was done, or raise: then they have changed nothing of note, and are asked again. */
  void *take;        /* (0, length): a block, or 0 when there is none */
  void *take_zeroed; /* the same, filled with zeros */
  void *move;        /* the same or another block with the same contents; the old one is not given back yet */
  void *give_back;   /* NULL when Python is about to end: what is left goes with the process */
};

/* Every block of the arena begins at such an address, and hardly any of ordinary memory does. */
#define ALIGNMENT 4096

/* What `move` and `give_back` say of an address that is not the arena's. */
#define NOT_SHARED ((void *)1)

/* More than two interrupts at once happen to nobody. */
#define ATTEMPTS 3

static void *ask(const struct context *context, void *function, void *memory, size length) {
  int state = context->gil_ensure();
  void *type, *value, *trace;
  context->fetch_error(&type, &value, &trace);
  void *answer = 0, *interrupt = 0;
  for (int attempt = 1;; attempt++) {
    void *result = context->call(function, context->format, memory, length);
    if (result) answer = context->as_pointer(result);
    void *raised, *its_value, *its_trace;
    context->fetch_error(&raised, &its_value, &its_trace);
    if (!raised) {
      context->drop(result);
      break;
    }
    context->drop(interrupt);
    interrupt = 0;
    if (!result && attempt == ATTEMPTS) {
      /* It fails for a reason of its own. Nobody waits for it, so it is reported as that of a __del__ method is. */
      context->restore_error(raised, its_value, its_trace);
      context->report_error(function);
      break;
    }
    context->drop(its_value);
    context->drop(its_trace);
    if (result) {
      /* No number but a type, and `raised` only says that it is no number. */
      context->drop(raised);
      interrupt = result;
      answer = 0;
      break;
    }
    interrupt = raised;
  }
  if (interrupt) {
    /* Interrupted twice, it may have forgotten what it knew. Memory is then lost rather than freed wrongly. */
    if (function == context->give_back && answer == NOT_SHARED) answer = 0;
    /* It was meant for the code that called NumPy, and meets it there. */
    context->raise_in_thread(context->thread(), interrupt);
    context->drop(interrupt);
  }
  context->restore_error(type, value, trace);
  context->gil_release(state);
  return answer;
}

/* NumPy frees an array without elements as one byte, however long it was: only the address tells whose it is. */
static int may_be_shared(const void *memory) { return memory && ((size)memory & (ALIGNMENT - 1)) == 0; }

void *hooks_malloc(const struct context *context, size length) {
  if (length >= context->threshold) {
    void *memory = ask(context, context->take, 0, length);
    if (memory) return memory;
  }
  return context->ordinary_malloc(context->ordinary, length);
}

void *hooks_calloc(const struct context *context, size count, size each) {
  size length;
  if (!__builtin_mul_overflow(count, each, &length) && length >= context->threshold) {
    void *memory = ask(context, context->take_zeroed, 0, length);
    if (memory) return memory;
  }
  return context->ordinary_calloc(context->ordinary, count, each);
}

static void release(const struct context *context, void *memory, size length) {
  if (may_be_shared(memory)) {
    if (!context->give_back || ask(context, context->give_back, memory, length) != NOT_SHARED) return;
  }
  context->ordinary_free(context->ordinary, memory, length);
}

void hooks_free(const struct context *context, void *memory, size length) { release(context, memory, length); }

void *hooks_realloc(const struct context *context, void *memory, size length) {
  if (may_be_shared(memory)) {
    void *moved = ask(context, context->move, memory, length);
    if (moved != NOT_SHARED) {
      if (moved && moved != memory) release(context, memory, length);
      return moved;
    }
  }
  void *grown = context->ordinary_realloc(context->ordinary, memory, length);
  if (!grown || length < context->threshold) return grown;
  void *shared = ask(context, context->take, 0, length);
  if (!shared) return grown;
  context->copy(shared, grown, length);
  context->ordinary_free(context->ordinary, grown, length);
  return shared;
}

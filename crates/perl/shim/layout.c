/* The sizes and offsets of shim.h's structs, for the test that src/ffi.rs agrees. No Perl here. */
#include "shim.h"

size_t perl_layout(int n);

size_t perl_layout(int n)
{
    switch (n) {
    case 0: return sizeof(struct bytes);
    case 1: return sizeof(struct field);
    case 2: return sizeof(struct var);
    case 3: return offsetof(struct var, value);
    case 4: return sizeof(struct request);
    case 5: return offsetof(struct request, body_fd);
    case 6: return offsetof(struct request, write_timeout_ms);
    case 7: return sizeof(struct response);
    case 8: return offsetof(struct response, chunks);
    case 9: return offsetof(struct response, length);
    case 10: return offsetof(struct response, kind);
    case 11: return sizeof(struct load);
    case 12: return offsetof(struct load, development);
    case 13: return sizeof(struct fault);
    case 14: return sizeof(struct rust_calls);
    case 15: return offsetof(struct rust_calls, run);
    case 16: return sizeof(enum outcome);
    default: return 0;
    }
}

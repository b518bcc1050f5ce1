/* What the freestanding parts (kmodel, runtime, devices) answer.
 *
 * One list makes the enumerators and the texts; NCC_OK is 0, so `if (status)` means "it failed".
 */
#ifndef NCC_STATUS_H
#define NCC_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define NCC_STATUS_LIST(X)                                                                                             \
    X(NCC_OK, "done")                                                                                                  \
    X(NCC_NOT_KMODEL, "the data are not a kmodel")                                                                     \
    X(NCC_UNSUPPORTED, "a kmodel of a version or for a target that this runtime does not run")                         \
    X(NCC_TRUNCATED, "the kmodel ends before its last part")                                                           \
    X(NCC_MALFORMED, "the kmodel failed a check")                                                                      \
    X(NCC_MISALIGNED, "a buffer does not have the alignment that is asked for")                                        \
    X(NCC_NO_FIT, "the working memory is too small")                                                                   \
    X(NCC_NO_DEVICE, "the kmodel has KPU layers, and no device was given")                                             \
    X(NCC_BAD_ARGUMENT, "an argument is missing or out of range")                                                      \
    X(NCC_DEVICE_FAILED, "the device reported a failure")

#define NCC_STATUS_NAME(name, text) name,
enum ncc_status { NCC_STATUS_LIST(NCC_STATUS_NAME) NCC_N_STATUS };
#undef NCC_STATUS_NAME

/* The sentence of a status, without a full stop; never NULL, also for numbers that are no status. */
const char *ncc_status_text(enum ncc_status status);

#ifdef __cplusplus
}
#endif
#endif

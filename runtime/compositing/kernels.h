/* What the kernels share: exported names, and a version for each kind of processor. */

#ifndef PORTRAITNET_KERNELS_H
#define PORTRAITNET_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#define EXPORT __declspec(dllexport)
#define restrict __restrict
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* The compiler makes a version for processors with AVX2 beside the one for all; the loader chooses. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

enum { CHANNELS = 3 };

#endif

/* Sums over the pixels of whole pictures that no call of OpenCV does at once. Called through ctypes by compiled.py.

   Most pixels belong wholly to the person or wholly to the background: blocks of them are copied. Only blocks with a
   pixel of soft alpha are computed. All arithmetic is in integers, so results are the same on every processor. */

#include "kernels.h"

enum { BLOCK = 16, NOTHING = 0, ALL = 255, SOFT = -1 };

/* NOTHING or ALL when every alpha of the block is that, else SOFT. */
static inline int same_in_block(const uint8_t *alpha) {
    uint64_t first, second;
    memcpy(&first, alpha, 8);
    memcpy(&second, alpha + 8, 8);
    if ((first | second) == 0) return NOTHING;
    return (first & second) == UINT64_MAX ? ALL : SOFT;
}

static inline uint8_t mixed(unsigned alpha, unsigned over, unsigned under) {
    unsigned total = alpha * over + (255 - alpha) * under + 128;
    return (uint8_t)((total + (total >> 8)) >> 8); /* divided by 255, to the nearest for every sum there is */
}

/* result = alpha * image + (1 - alpha) * background; three bytes to a pixel, one alpha. */
FOR_EACH_PROCESSOR EXPORT void blend(const uint8_t *restrict image, const uint8_t *restrict background,
                                     const uint8_t *restrict alpha, uint8_t *restrict result, size_t pixels) {
    size_t at = 0;
    for (; at + BLOCK <= pixels; at += BLOCK) {
        const uint8_t *over = image + CHANNELS * at, *under = background + CHANNELS * at;
        uint8_t *out = result + CHANNELS * at, share[CHANNELS * BLOCK];
        int same = same_in_block(alpha + at);
        if (same != SOFT) {
            memcpy(out, same == ALL ? over : under, CHANNELS * BLOCK);
            continue;
        }
        for (int i = 0; i < BLOCK; i++) share[3 * i] = share[3 * i + 1] = share[3 * i + 2] = alpha[at + i];
        for (int i = 0; i < CHANNELS * BLOCK; i++) {
            uint16_t front = (uint16_t)(share[i] * over[i]), back = (uint16_t)((uint8_t)(255 - share[i]) * under[i]);
            uint16_t total = (uint16_t)(front + back + 128);
            out[i] = (uint8_t)((uint16_t)(total + (total >> 8)) >> 8);
        }
    }
    for (; at < pixels; at++)
        for (int c = 0; c < CHANNELS; c++)
            result[3 * at + c] = mixed(alpha[at], image[3 * at + c], background[3 * at + c]);
}

/* result = image + change where alpha is soft, else image. `change` has fewer rows: it grows as in bilinear resizing. */
FOR_EACH_PROCESSOR EXPORT void add_change(const uint8_t *restrict image, const int16_t *restrict change,
                                          const uint8_t *restrict alpha, uint8_t *restrict result, size_t height,
                                          size_t width, size_t change_height) {
    for (size_t y = 0; y < height; y++) {
        /* The place between two rows, in sixteenths: that keeps all sums in 16 bits. */
        int64_t place = (int64_t)(((2 * y + 1) * change_height * 16 + height) / (2 * height)) - 8;
        int64_t last = 16 * ((int64_t)change_height - 1);
        place = place < 0 ? 0 : place > last ? last : place;
        size_t row = (size_t)(place / 16);
        int16_t lower = (int16_t)(place % 16), upper = (int16_t)(16 - lower);
        const int16_t *above = change + CHANNELS * width * row;
        const int16_t *below = row + 1 < change_height ? above + CHANNELS * width : above;
        const uint8_t *old = image + CHANNELS * width * y, *share = alpha + width * y;
        uint8_t *out = result + CHANNELS * width * y;
        for (size_t x = 0; x < width; x += BLOCK) {
            size_t count = width - x < BLOCK ? width - x : BLOCK;
            size_t first = CHANNELS * x, end = first + CHANNELS * count;
            if (count == BLOCK && same_in_block(share + x) != SOFT) {
                memcpy(out + first, old + first, CHANNELS * BLOCK);
                continue;
            }
            int16_t soft[CHANNELS * BLOCK];
            for (size_t i = 0; i < count; i++)
                soft[3 * i] = soft[3 * i + 1] = soft[3 * i + 2] = (uint8_t)(share[x + i] - 1) < ALL - 1 ? -1 : 0;
            for (size_t i = first; i < end; i++) {
                int16_t grown = (int16_t)((int16_t)(above[i] * upper + below[i] * lower + 8) >> 4);
                int16_t value = (int16_t)(old[i] + (grown & soft[i - first]));
                out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
            }
        }
    }
}

/* Colours by their weights, and the weights as a fourth channel: what mean colours of a neighbourhood are sums of.
   The weights are alpha (`person`) and 1 - alpha (`behind`) to the fourth power, which leaves mixtures out. */
FOR_EACH_PROCESSOR EXPORT void weigh(const uint8_t *restrict image, const uint8_t *restrict alpha,
                                     float *restrict person, float *restrict behind, size_t pixels) {
    for (size_t i = 0; i < pixels; i++) {
        float share = (float)alpha[i] * (1.0f / 255), rest = 1 - share;
        float own = (share * share) * (share * share), other = (rest * rest) * (rest * rest);
        for (int c = 0; c < CHANNELS; c++) {
            person[4 * i + c] = own * (float)image[3 * i + c];
            behind[4 * i + c] = other * (float)image[3 * i + c];
        }
        person[4 * i + 3] = own;
        behind[4 * i + 3] = other;
    }
}

/* What to add to a picture for the person's own colours, from the averaged sums of `weigh`. */
FOR_EACH_PROCESSOR EXPORT void own_colour(const uint8_t *restrict image, const uint8_t *restrict alpha,
                                          const float *restrict person, const float *restrict behind,
                                          int16_t *restrict change, size_t pixels, float little) {
    for (size_t i = 0; i < pixels; i++) {
        float share = (float)alpha[i] * (1.0f / 255);
        if (alpha[i] == ALL || person[4 * i + 3] == 0) {
            change[3 * i] = change[3 * i + 1] = change[3 * i + 2] = 0;
            continue;
        }
        float of_person = 1 / (person[4 * i + 3] + little), of_behind = 1 / (behind[4 * i + 3] + little);
        for (int c = 0; c < CHANNELS; c++) {
            float seen = (float)image[3 * i + c], near = person[4 * i + c] * of_person;
            float mixture = share * near + (1 - share) * (behind[4 * i + c] * of_behind);
            float own = near + share * (seen - mixture);
            change[3 * i + c] = (int16_t)((own < 0 ? 0 : own > 255 ? 255 : own) - seen);
        }
    }
}

/* One step of smoothing.py for every pixel: small changes arrive at the rate `slow`, those of motion at once. */
FOR_EACH_PROCESSOR EXPORT void follow(float *restrict state, const float *restrict alpha, size_t pixels, float slow,
                                      float tremble, float motion) {
    float scale = 1 / (motion - tremble);
    for (size_t i = 0; i < pixels; i++) {
        float change = alpha[i] - state[i], size = change < 0 ? -change : change;
        float share = (size - tremble) * scale;
        share = share < 0 ? 0 : share > 1 ? 1 : share;
        share *= share * (3 - 2 * share);
        state[i] += (slow + (1 - slow) * share) * change;
    }
}

/* RGB to planes of brightness and, for each square of four pixels, two of colour. `weights` are nine, in 1/32768: for Y,
   U and V. Both sides are even; a stride is the bytes from one row to the next. */
FOR_EACH_PROCESSOR EXPORT void to_yuv420(const uint8_t *restrict image, size_t stride, uint8_t *restrict luma,
                                         size_t luma_stride, uint8_t *restrict blue, size_t blue_stride,
                                         uint8_t *restrict red, size_t red_stride, size_t height, size_t width,
                                         const int32_t *restrict weights) {
    enum { SPAN = 64, Y_BASE = (16 << 15) + (1 << 14), UV_BASE = (128 << 17) + (1 << 16) };
    for (size_t y = 0; y < height; y += 2) {
        for (size_t x = 0; x < width; x += SPAN) {
            int32_t sums[CHANNELS][SPAN];
            size_t count = width - x < SPAN ? width - x : SPAN;
            memset(sums, 0, sizeof sums);
            for (size_t row = 0; row < 2; row++) {
                const uint8_t *in = image + (y + row) * stride + CHANNELS * x;
                uint8_t *out = luma + (y + row) * luma_stride + x;
                for (size_t i = 0; i < count; i++) {
                    int32_t r = in[3 * i], g = in[3 * i + 1], b = in[3 * i + 2];
                    sums[0][i] += r, sums[1][i] += g, sums[2][i] += b;
                    out[i] = (uint8_t)((weights[0] * r + weights[1] * g + weights[2] * b + Y_BASE) >> 15);
                }
            }
            uint8_t *u = blue + y / 2 * blue_stride + x / 2, *v = red + y / 2 * red_stride + x / 2;
            for (size_t i = 0; i < count / 2; i++) {
                int32_t r = sums[0][2 * i] + sums[0][2 * i + 1], g = sums[1][2 * i] + sums[1][2 * i + 1];
                int32_t b = sums[2][2 * i] + sums[2][2 * i + 1];
                u[i] = (uint8_t)((weights[3] * r + weights[4] * g + weights[5] * b + UV_BASE) >> 17);
                v[i] = (uint8_t)((weights[6] * r + weights[7] * g + weights[8] * b + UV_BASE) >> 17);
            }
        }
    }
}

/* Windows' linker asks for it. */
EXPORT void *PyInit__pixels(void) { return NULL; }

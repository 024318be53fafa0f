/* The guided filter of refine.py: alpha as a linear function of colour in each window. Called through ctypes. */

#include "kernels.h"

enum { PLANES = 13, FACTORS = 4 }; /* 3 colours, alpha, 3 products of both, 6 of colours; 3 slopes and an offset */
enum { AT_BLACK = 1, AT_WHITE = 2 };

/* The mean of a window of 2 radius + 1 pixels each way, the border repeated. `sums` holds width + 2 radius floats. */
static inline void window(float *restrict plane, float *restrict mean, float *restrict sums, size_t height,
                          size_t width, size_t radius) {
    size_t side = 2 * radius + 1;
    float share = 1.0f / (float)(side * side);
    for (size_t y = 0; y < height; y++) {
        float *row = sums + radius;
        for (size_t x = 0; x < width; x++) row[x] = 0;
        for (size_t i = 0; i < side; i++) {
            size_t from = y + i < radius ? 0 : y + i - radius < height ? y + i - radius : height - 1;
            const float *other = plane + width * from;
            for (size_t x = 0; x < width; x++) row[x] += other[x];
        }
        for (size_t i = 0; i < radius; i++) {
            sums[i] = row[0];
            row[width + i] = row[width - 1];
        }
        float *out = mean + width * y;
        for (size_t x = 0; x < width; x++) out[x] = 0;
        for (size_t i = 0; i < side; i++)
            for (size_t x = 0; x < width; x++) out[x] += sums[x + i];
        for (size_t x = 0; x < width; x++) out[x] *= share;
    }
}

/* Slopes along red, green and blue and the offset of each pixel (factors: height x width x 4), averaged over all
   windows that see it. `scratch` holds 2 x PLANES planes and a row of width + 2 radius. */
FOR_EACH_PROCESSOR EXPORT void fit_guide(const uint8_t *restrict guide, const float *restrict alpha,
                                         float *restrict factors, float *restrict scratch, size_t height, size_t width,
                                         size_t radius, float smoothness) {
    size_t pixels = height * width;
    float *planes = scratch, *means = scratch + PLANES * pixels, *sums = scratch + 2 * PLANES * pixels;
    float *red = planes, *green = red + pixels, *blue = green + pixels, *share = blue + pixels;
    for (size_t i = 0; i < pixels; i++) {
        red[i] = (float)guide[3 * i] * (1.0f / 255);
        green[i] = (float)guide[3 * i + 1] * (1.0f / 255);
        blue[i] = (float)guide[3 * i + 2] * (1.0f / 255);
        share[i] = alpha[i];
    }
    const float *firsts[] = {red, green, blue, red, red, red, green, green, blue};
    const float *seconds[] = {share, share, share, red, green, blue, green, blue, blue};
    for (int p = 0; p < PLANES - 4; p++) {
        float *product = planes + (size_t)(p + 4) * pixels;
        const float *first = firsts[p], *second = seconds[p];
        for (size_t i = 0; i < pixels; i++) product[i] = first[i] * second[i];
    }
    for (size_t p = 0; p < PLANES; p++) window(planes + p * pixels, means + p * pixels, sums, height, width, radius);
    const float *m[PLANES];
    for (size_t p = 0; p < PLANES; p++) m[p] = means + p * pixels;
    for (size_t i = 0; i < pixels; i++) {
        float r = m[0][i], g = m[1][i], b = m[2][i], a = m[3][i];
        float ra = m[4][i] - r * a, ga = m[5][i] - g * a, ba = m[6][i] - b * a;
        float rr = m[7][i] - r * r + smoothness, rg = m[8][i] - r * g, rb = m[9][i] - r * b;
        float gg = m[10][i] - g * g + smoothness, gb = m[11][i] - g * b, bb = m[12][i] - b * b + smoothness;
        /* The inverse of the symmetric 3x3 matrix, by its cofactors. */
        float c00 = gg * bb - gb * gb, c01 = rb * gb - rg * bb, c02 = rg * gb - rb * gg;
        float c11 = rr * bb - rb * rb, c12 = rg * rb - rr * gb, c22 = rr * gg - rg * rg;
        float determinant = rr * c00 + rg * c01 + rb * c02;
        float scale = 1 / (determinant > 1e-15f ? determinant : 1e-15f);
        float along_red = scale * (c00 * ra + c01 * ga + c02 * ba);
        float along_green = scale * (c01 * ra + c11 * ga + c12 * ba);
        float along_blue = scale * (c02 * ra + c12 * ga + c22 * ba);
        red[i] = along_red;
        green[i] = along_green;
        blue[i] = along_blue;
        share[i] = a - along_red * r - along_green * g - along_blue * b;
    }
    for (size_t p = 0; p < FACTORS; p++) {
        window(planes + p * pixels, means, sums, height, width, radius);
        for (size_t i = 0; i < pixels; i++) factors[FACTORS * i + p] = means[i];
    }
}

/* Whether alpha is at most `black` or at least `white` there, whatever the colour. */
static inline uint8_t settled(const float *factors, float black, float white) {
    float least = factors[3], most = factors[3];
    for (int c = 0; c < CHANNELS; c++) {
        least += factors[c] < 0 ? factors[c] : 0;
        most += factors[c] > 0 ? factors[c] : 0;
    }
    return (uint8_t)((most <= black ? AT_BLACK : 0) | (least >= white ? AT_WHITE : 0));
}

/* Alpha of a larger picture from `factors`, which grow as in bilinear resizing; `black` becomes 0, `white` 255. Most
   pixels are that whatever their colour, and are filled.

   Column x lies between factors left[x] and the next, at `place`; those between i and the next begin at starts[i].
   `scratch` holds a row of factors, `kinds` a byte for each factor and for a row of them. */
FOR_EACH_PROCESSOR EXPORT void apply_guide(const uint8_t *restrict picture, const float *restrict factors,
                                           const int32_t *restrict starts, const float *restrict place,
                                           uint8_t *restrict alpha, float *restrict scratch, uint8_t *restrict kinds,
                                           size_t height, size_t width, size_t small_height, size_t small_width,
                                           float black, float white) {
    float scale = 255 / (white - black);
    uint8_t *kind = kinds + small_height * small_width;
    for (size_t i = 0; i < small_height * small_width; i++) kinds[i] = settled(factors + FACTORS * i, black, white);
    for (size_t y = 0; y < height; y++) {
        float at = ((float)y + 0.5f) * (float)small_height / (float)height - 0.5f;
        at = at < 0 ? 0 : at;
        size_t row = (size_t)at < small_height - 1 ? (size_t)at : small_height - 1;
        size_t next = row + 1 < small_height ? row + 1 : row;
        float lower = at - (float)row, upper = 1 - lower;
        const float *above = factors + FACTORS * small_width * row, *below = factors + FACTORS * small_width * next;
        for (size_t i = 0; i < FACTORS * small_width; i++) scratch[i] = upper * above[i] + lower * below[i];
        for (size_t i = 0; i < small_width; i++) kind[i] = kinds[small_width * row + i] & kinds[small_width * next + i];
        const uint8_t *colour = picture + CHANNELS * width * y;
        uint8_t *out = alpha + width * y;
        for (size_t i = 0; i < small_width;) {
            size_t after = i + 1, second = after < small_width ? after : i;
            uint8_t same = kind[i] & kind[second];
            size_t first = (size_t)starts[i];
            if (same) {
                while (after < small_width && (kind[after] & kind[after + 1 < small_width ? after + 1 : after] & same))
                    after++;
                memset(out + first, same & AT_BLACK ? 0 : 255, (size_t)starts[after] - first);
                i = after;
                continue;
            }
            const float *a = scratch + FACTORS * i, *b = scratch + FACTORS * second;
            for (size_t x = first; x < (size_t)starts[after]; x++) {
                float red = (float)colour[3 * x] * (1.0f / 255), green = (float)colour[3 * x + 1] * (1.0f / 255);
                float blue = (float)colour[3 * x + 2] * (1.0f / 255);
                float here = a[0] * red + a[1] * green + a[2] * blue + a[3];
                float there = b[0] * red + b[1] * green + b[2] * blue + b[3];
                float value = (here + place[x] * (there - here) - black) * scale;
                out[x] = (uint8_t)((value < 0 ? 0 : value > 255 ? 255 : value) + 0.5f);
            }
            i = after;
        }
    }
}

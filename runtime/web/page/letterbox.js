// How a picture lies in a model's input, as runtime/geometry.py has it.

export const PAD = 'rgb(128, 128, 128)';

/** How much more one side may be stretched than the other, by the geometry that a contract names. */
const LIMITS = {'letterbox-128-centred': 1, 'stretch-1.5-128-centred': 1.5, stretch: Infinity};

/** Where a picture of sourceHeight x sourceWidth lies in a target: {top, left, height, width}, whole pixels. */
export function fit(sourceHeight, sourceWidth, targetHeight, targetWidth, geometry = 'letterbox-128-centred') {
  const limit = LIMITS[geometry];
  const tall = targetHeight / sourceHeight;
  const wide = targetWidth / sourceWidth;
  const height = Math.min(Math.max(Math.floor(sourceHeight * Math.min(tall, limit * wide) + 0.5), 1), targetHeight);
  const width = Math.min(Math.max(Math.floor(sourceWidth * Math.min(wide, limit * tall) + 0.5), 1), targetWidth);
  return {
    top: Math.floor((targetHeight - height) / 2),
    left: Math.floor((targetWidth - width) / 2),
    height,
    width,
  };
}

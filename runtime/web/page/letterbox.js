// The one geometry of this project (runtime/geometry.py): the largest centred placement that keeps the shape.

export const PAD = 'rgb(128, 128, 128)';

/** Where a picture of sourceHeight x sourceWidth lies in a target: {top, left, height, width}, whole pixels. */
export function fit(sourceHeight, sourceWidth, targetHeight, targetWidth) {
  const scale = Math.min(targetHeight / sourceHeight, targetWidth / sourceWidth);
  const height = Math.min(Math.max(Math.floor(sourceHeight * scale + 0.5), 1), targetHeight);
  const width = Math.min(Math.max(Math.floor(sourceWidth * scale + 0.5), 1), targetWidth);
  return {
    top: Math.floor((targetHeight - height) / 2),
    left: Math.floor((targetWidth - width) / 2),
    height,
    width,
  };
}

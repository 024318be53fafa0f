// How a picture lies in a model's input (runtime/geometry.py): the largest centred placement that keeps the shape, or all.

export const PAD = 'rgb(128, 128, 128)';

/** Where a picture of sourceHeight x sourceWidth lies in a target: {top, left, height, width}, whole pixels. */
export function fit(sourceHeight, sourceWidth, targetHeight, targetWidth, geometry = 'letterbox-128-centred') {
  if (geometry === 'stretch') return {top: 0, left: 0, height: targetHeight, width: targetWidth};
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

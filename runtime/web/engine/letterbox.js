// How a picture lies in a model's input, as runtime/geometry.py has it.

import constants from '../../constants.json';

/** How much more one side may be stretched than the other, by the geometry that a contract names. */
const {limits} = constants.geometry;

/** Where a picture of sourceHeight x sourceWidth lies in a target: {top, left, height, width}, whole pixels. */
export function fit(sourceHeight, sourceWidth, targetHeight, targetWidth, geometry = 'letterbox-128-centred') {
  if (!(geometry in limits)) throw new Error(`unknown geometry ${geometry}`);
  const limit = limits[geometry] ?? Infinity;
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

/** The largest centred part of a picture that has the shape of `height` x `width`: {top, left, height, width}. */
export function cover(pictureHeight, pictureWidth, height, width) {
  const scale = Math.max(height / pictureHeight, width / pictureWidth);
  const tall = Math.min(pictureHeight, Math.max(1, Math.round(height / scale)));
  const wide = Math.min(pictureWidth, Math.max(1, Math.round(width / scale)));
  return {
    top: Math.floor((pictureHeight - tall) / 2),
    left: Math.floor((pictureWidth - wide) / 2),
    height: tall,
    width: wide,
  };
}

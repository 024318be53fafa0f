// Putting the person before another background, on 2D canvases: the browser's own compositing does the work.

const [BLACK, WHITE] = [0.1, 0.9]; // alpha that becomes nothing and all, as in runtime/compositing/levels.py

/** Draws a frame and its alpha over a background; holds the canvases that this needs. */
export class Compositor {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.mask = new OffscreenCanvas(1, 1);
    this.person = new OffscreenCanvas(1, 1);
  }

  /**
   * Show `frame` (drawable, height x width) with `alpha` of size modelHeight x modelWidth, placed by `box`.
   * background: {kind: 'blur', radius} | {kind: 'colour', colour} | {kind: 'picture', drawable, tall, wide} | {kind: 'none'}
   */
  draw(frame, height, width, alpha, modelHeight, modelWidth, box, background, mirror = false) {
    for (const canvas of [this.canvas, this.person]) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    }
    if (this.mask.width !== modelWidth || this.mask.height !== modelHeight) {
      Object.assign(this.mask, {width: modelWidth, height: modelHeight});
    }
    const maskContext = this.mask.getContext('2d');
    const image = maskContext.createImageData(modelWidth, modelHeight);
    for (let i = 0; i < alpha.length; i++) image.data[4 * i + 3] = 255 * (alpha[i] - BLACK) / (WHITE - BLACK);
    maskContext.putImageData(image, 0, 0);

    const cut = this.person.getContext('2d');
    cut.imageSmoothingQuality = 'high';
    cut.globalCompositeOperation = 'copy';
    cut.drawImage(this.mask, box.left, box.top, box.width, box.height, 0, 0, width, height);
    cut.globalCompositeOperation = 'source-in';
    cut.drawImage(frame, 0, 0, width, height);

    const context = this.context;
    context.setTransform(mirror ? -1 : 1, 0, 0, 1, mirror ? width : 0, 0);
    context.clearRect(0, 0, width, height);
    this.#drawBackground(context, frame, height, width, background);
    context.drawImage(this.person, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** The person alone on transparency, as a PNG blob. */
  cutOut() {
    return this.person.convertToBlob({type: 'image/png'});
  }

  #drawBackground(context, frame, height, width, background) {
    if (background.kind === 'blur') {
      const reach = 3 * background.radius; // the filter mixes in what lies beyond the edge: nothing
      context.filter = `blur(${background.radius}px)`;
      context.drawImage(frame, -reach, -reach, width + 2 * reach, height + 2 * reach);
      context.filter = 'none';
    } else if (background.kind === 'colour') {
      context.fillStyle = background.colour;
      context.fillRect(0, 0, width, height);
    } else if (background.kind === 'picture') {
      const scale = Math.max(height / background.tall, width / background.wide);
      const [tall, wide] = [background.tall * scale, background.wide * scale];
      context.drawImage(background.drawable, (width - wide) / 2, (height - tall) / 2, wide, tall);
    }
  }
}

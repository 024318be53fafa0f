// A thin layer over WebGL2: programs with their uniforms by name, textures that are drawn into.

const VERTEX = 'whole.vert.glsl';

/** Pixel formats of targets: [internal format, format, type]. */
export const BYTES = 'RGBA8';
export const HALVES = 'RGBA16F';

export class Gl {
  /** Throws when the canvas gives no WebGL2. `shaders` are texts by file name; all others go with the vertex shader. */
  constructor(canvas, shaders, halfFloats = true) {
    const gl = canvas.getContext('webgl2', {
      alpha: true, antialias: false, depth: false, stencil: false, premultipliedAlpha: true,
      powerPreference: 'high-performance',
    });
    if (!gl) throw new Error('no WebGL2');
    this.gl = gl;
    const half = gl.getExtension('EXT_color_buffer_float') || gl.getExtension('EXT_color_buffer_half_float');
    this.halfFloats = Boolean(halfFloats && half);
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.bindVertexArray(gl.createVertexArray());
    this.programs = {};
    const vertex = this.#compile(gl.VERTEX_SHADER, shaders[VERTEX]);
    for (const [name, text] of Object.entries(shaders)) {
      if (name !== VERTEX) this.programs[name.split('.')[0]] = this.#link(vertex, this.#compile(gl.FRAGMENT_SHADER, text));
    }
  }

  #compile(kind, text) {
    const {gl} = this;
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    return shader;
  }

  #link(vertex, fragment) {
    const {gl} = this;
    const program = gl.createProgram();
    gl.attachShader(program, vertex);
    gl.attachShader(program, fragment);
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`a shader does not compile: ${gl.getShaderInfoLog(fragment) || gl.getProgramInfoLog(program)}`);
    }
    const uniforms = {};
    const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS);
    for (let i = 0; i < count; i++) {
      const {name, type} = gl.getActiveUniform(program, i);
      uniforms[name] = {type, location: gl.getUniformLocation(program, name)};
    }
    return {program, uniforms};
  }

  /** An empty texture, smooth between pixels, that repeats its border. */
  texture() {
    const {gl} = this;
    const texture = {id: gl.createTexture(), height: 0, width: 0, format: ''};
    gl.bindTexture(gl.TEXTURE_2D, texture.id);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const way of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, way, gl.LINEAR);
    return texture;
  }

  /** A texture to draw into, of the given size; `old` is used again where it fits. */
  target(old, height, width, format = BYTES) {
    const {gl} = this;
    const texture = old ?? this.texture();
    if (texture.height === height && texture.width === width && texture.format === format) return texture;
    gl.bindTexture(gl.TEXTURE_2D, texture.id);
    const type = format === HALVES ? gl.HALF_FLOAT : gl.UNSIGNED_BYTE;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl[format], width, height, 0, gl.RGBA, type, null);
    return Object.assign(texture, {height, width, format});
  }

  /** Put a drawable of the given size into a texture. */
  upload(texture, source, height, width) {
    const {gl} = this;
    gl.bindTexture(gl.TEXTURE_2D, texture.id);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, source);
    Object.assign(texture, {height, width, format: 'source'});
  }

  /** Put bytes (one channel) into a texture: the part `box` of rows that are `stride` long. */
  uploadBytes(texture, bytes, stride, box) {
    const {gl} = this;
    gl.bindTexture(gl.TEXTURE_2D, texture.id);
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, stride);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, box.top);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, box.left);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, box.width, box.height, 0, gl.RED, gl.UNSIGNED_BYTE, bytes);
    for (const setting of [gl.UNPACK_ROW_LENGTH, gl.UNPACK_SKIP_ROWS, gl.UNPACK_SKIP_PIXELS]) gl.pixelStorei(setting, 0);
    Object.assign(texture, {height: box.height, width: box.width, format: 'bytes'});
  }

  /** Smaller copies of a texture, for `textureLod`; with `wanted` false they are not looked at any more. */
  mipmaps(texture, wanted) {
    const {gl} = this;
    gl.bindTexture(gl.TEXTURE_2D, texture.id);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, wanted ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR);
    if (wanted) gl.generateMipmap(gl.TEXTURE_2D);
  }

  /**
   * Draw with a program into targets (a texture, or several; null for the canvas). Uniforms by name: numbers, arrays,
   * booleans, and textures, which are bound in turn. `box` limits the draw to a part of the target.
   */
  draw(name, targets, uniforms, box = null) {
    const {gl} = this;
    const {program, uniforms: known} = this.programs[name];
    gl.useProgram(program);
    const list = targets && (Array.isArray(targets) ? targets : [targets]);
    const {height, width} = list ? list[0] : gl.canvas;
    if (list) {
      const frame = (list[0].frame ??= gl.createFramebuffer());
      gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
      list.forEach((target, i) => {
        gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + i, gl.TEXTURE_2D, target.id, 0);
      });
      gl.drawBuffers(list.map((_, i) => gl.COLOR_ATTACHMENT0 + i));
    } else {
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    }
    gl.viewport(box?.left ?? 0, box?.top ?? 0, box?.width ?? width, box?.height ?? height);
    let unit = 0;
    for (const [key, value] of Object.entries({screen: !list, ...uniforms})) {
      if (!known[key]) continue; // optimised away
      const {type, location} = known[key];
      if (type === gl.SAMPLER_2D) {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(gl.TEXTURE_2D, value.id);
        gl.uniform1i(location, unit++);
      } else if (type === gl.FLOAT) gl.uniform1f(location, value);
      else if (type === gl.FLOAT_VEC2) gl.uniform2fv(location, value);
      else if (type === gl.FLOAT_VEC3) gl.uniform3fv(location, value);
      else if (type === gl.INT_VEC2) gl.uniform2iv(location, value);
      else gl.uniform1i(location, Number(value));
    }
    gl.activeTexture(gl.TEXTURE0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Fill a target with one colour, 0..1. */
  clear(target, red, green, blue) {
    const {gl} = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, (target.frame ??= gl.createFramebuffer()));
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target.id, 0);
    gl.clearColor(red, green, blue, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  /** The bytes of a target that was drawn into, top row first: RGBA. */
  read(target, into) {
    const {gl} = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, target.frame);
    gl.readPixels(0, 0, target.width, target.height, gl.RGBA, gl.UNSIGNED_BYTE, into);
    return into;
  }
}

#version 300 es
// Alpha for compositing: drawn to the picture's edges where `refine` is set, then levelled (see compositing/levels.py). With
// `steady` it follows that of the frame before as compositing/smoothing.py says: the picture brings its noise in.
precision highp float;
uniform sampler2D raw;     // the model's alpha, cropped to the picture
uniform sampler2D lines;   // slopes and offset of the guided filter
uniform sampler2D picture;
uniform bool refine;
uniform vec2 levels;       // alpha that becomes nothing, alpha that becomes all
uniform bool steady;
uniform sampler2D before;  // the result for the frame before
uniform vec3 pace;         // share of a small change that is taken over; changes that are trembling, and motion
in vec2 at;
out vec4 result;

void main() {
  float alpha;
  if (refine) {
    vec4 line = texture(lines, at);
    alpha = line.a;
    // Away from the outline all slopes are 0: most pixels, for which the picture need not be read.
    if (line.rgb != vec3(0.0)) alpha += dot(line.rgb, texture(picture, at).rgb);
  } else {
    alpha = texture(raw, at).r;
  }
  alpha = clamp((alpha - levels.x) / (levels.y - levels.x), 0.0, 1.0);
  if (steady) {
    float last = texture(before, at).r;
    float change = alpha - last;
    float motion = smoothstep(pace.y, pace.z, abs(change));
    alpha = last + (pace.x + (1.0 - pace.x) * motion) * change;
  }
  result = vec4(alpha);
}

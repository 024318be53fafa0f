#version 300 es
// The person before a background, at the size of the result. Colours come out premultiplied.
precision highp float;
const int NONE = 0, COLOUR = 1, TEXTURE = 2;
uniform sampler2D picture;
uniform sampler2D alpha;
uniform sampler2D change;     // what decontamination adds
uniform sampler2D background; // covers the result
uniform int kind;
uniform bool mirror;          // the person's side is swapped
uniform bool mirrorBackground;
uniform bool own;             // whether `change` is there
uniform vec3 plain;
uniform float wrap;           // how much light of the background falls on the outline, 0 to 1
uniform float split;          // left of it the picture is shown as it was; 0: nowhere
in vec2 at;
out vec4 result;

void main() {
  vec2 other = vec2(1.0 - at.x, at.y);
  vec2 place = mirror ? other : at;
  if (at.x < split) {
    result = vec4(texture(picture, place).rgb, 1.0);
    return;
  }
  // Most pixels are the person's or the background's alone: only what is seen is read.
  float share = texture(alpha, place).r;
  vec3 person = share > 0.0 ? texture(picture, place).rgb : vec3(0.0);
  if (own && share > 0.0 && share < 1.0) person = clamp(person + texture(change, place).rgb, 0.0, 1.0);
  if (kind == NONE) {
    result = vec4(person * share, share); // nothing of the picture is left where alpha is 0
    return;
  }
  vec2 behind = mirrorBackground ? other : at;
  vec3 scene = kind == COLOUR || share == 1.0 ? plain : texture(background, behind).rgb;
  if (wrap > 0.0) {
    vec3 light = kind == COLOUR ? plain : textureLod(background, behind, 5.0).rgb;
    float edge = 1.0 - textureLod(alpha, place, 4.0).r;
    person = 1.0 - (1.0 - person) * (1.0 - wrap * edge * light);
  }
  result = vec4(mix(scene, person, share), 1.0);
}

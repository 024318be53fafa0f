#version 300 es
#extension GL_OES_EGL_image_external_essl3 : require
// The camera's frame in an external texture, whose colours the driver converts, as an upright picture.
precision highp float;
uniform samplerExternalOES camera;
uniform vec2 origin, right, down; // the texture's place of the picture's upper left corner; from there to the other two corners
in vec2 at;
out vec4 colour;

void main() {
  colour = vec4(texture(camera, origin + at.x * right + at.y * down).rgb, 1.0);
}

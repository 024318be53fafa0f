"""The pixel kernels, which pyproject.toml cannot declare yet; everything else stands there.

They are a plain C library that is built and shipped as an extension is. Without a compiler OpenCV does their work.
"""

from setuptools import Extension, setup

PIXELS = Extension(
    "portraitnet.runtime.compositing._pixels",
    ["runtime/compositing/pixels.c", "runtime/compositing/guided.c"],
    depends=["runtime/compositing/kernels.h"],
    extra_compile_args=["-O3"],
    optional=True,
)

setup(ext_modules=[PIXELS])

"""PortraitNet: train, export, run and benchmark portrait segmentation for phones.

>>> from portraitnet.runtime import Segmenter
>>> alpha = Segmenter.load("portraitnet-mobile.tflite")(image)
"""

__version__ = "0.1.0"

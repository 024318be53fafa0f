package portraitnet.app

import android.media.MediaCodec
import android.media.MediaCodecInfo
import android.media.MediaFormat
import android.media.MediaMuxer
import android.view.Surface
import java.io.FileDescriptor
import java.io.IOException

/**
 * H.264 in MP4 of what is drawn on [surface], into [file]. [done] hears at the end whether the file is whole. Of one thread.
 * Throws IOException.
 */
class VideoRecorder(height: Int, width: Int, val name: String, file: FileDescriptor, private val done: (Boolean) -> Unit) {
    private val codec: MediaCodec
    private val muxer: MediaMuxer
    val surface: Surface
    private val info = MediaCodec.BufferInfo()
    private var track = -1
    private var ended = false

    init {
        // Encoders want even sides.
        val format = MediaFormat.createVideoFormat(MediaFormat.MIMETYPE_VIDEO_AVC, width / 2 * 2, height / 2 * 2).apply {
            setInteger(MediaFormat.KEY_COLOR_FORMAT, MediaCodecInfo.CodecCapabilities.COLOR_FormatSurface)
            setInteger(MediaFormat.KEY_BIT_RATE, height * width * BITS_PER_PIXEL)
            setInteger(MediaFormat.KEY_FRAME_RATE, 30)
            setInteger(MediaFormat.KEY_I_FRAME_INTERVAL, 1)
        }
        var started: MediaCodec? = null
        try {
            started = MediaCodec.createEncoderByType(MediaFormat.MIMETYPE_VIDEO_AVC)
            started.configure(format, null, null, MediaCodec.CONFIGURE_FLAG_ENCODE)
            surface = started.createInputSurface()
            started.start()
            codec = started
            muxer = MediaMuxer(file, MediaMuxer.OutputFormat.MUXER_OUTPUT_MPEG_4)
        } catch (error: IllegalStateException) { // of which a codec's own exception is one
            throw refused(started, error)
        } catch (error: IllegalArgumentException) {
            throw refused(started, error)
        } catch (error: IOException) {
            throw refused(started, error)
        }
    }

    private fun refused(started: MediaCodec?, error: Exception): IOException {
        started?.release()
        done(false)
        return IOException("this phone's video encoder refused: ${error.message}", error)
    }

    /** Write what the encoder has ready; does not wait. */
    fun drain() = guarded { drain(0) }

    /** End the video, and wait for the encoder's last frames, but not for long. */
    fun finish() {
        if (ended) return
        ended = true
        try {
            guarded {
                codec.signalEndOfInputStream()
                drain(LAST_WAIT_US)
                if (track >= 0) muxer.stop()
            }
            done(track >= 0)
        } catch (error: IOException) {
            done(false)
            throw error
        } finally {
            codec.release()
            muxer.release()
            surface.release()
        }
    }

    /** Nothing was recorded, and nothing is kept. */
    fun cancel() {
        ended = true
        codec.release()
        muxer.release()
        surface.release()
        done(false)
    }

    private fun drain(wait: Long) {
        val until = System.nanoTime() + 1000 * wait
        while (true) {
            val index = codec.dequeueOutputBuffer(info, minOf(wait, POLL_US))
            if (index == MediaCodec.INFO_OUTPUT_FORMAT_CHANGED) {
                track = muxer.addTrack(codec.outputFormat)
                muxer.start()
            } else if (index >= 0) {
                val isConfiguration = info.flags and MediaCodec.BUFFER_FLAG_CODEC_CONFIG != 0
                val buffer = codec.getOutputBuffer(index)
                if (buffer != null && track >= 0 && info.size > 0 && !isConfiguration) muxer.writeSampleData(track, buffer, info)
                codec.releaseOutputBuffer(index, false)
                if (info.flags and MediaCodec.BUFFER_FLAG_END_OF_STREAM != 0) return
            } else if (System.nanoTime() >= until) {
                return
            }
        }
    }

    private fun guarded(work: () -> Unit) = try {
        work()
    } catch (error: IllegalStateException) {
        throw IOException("the video could not be written: ${error.message}", error)
    }

    private companion object {
        const val BITS_PER_PIXEL = 6
        const val LAST_WAIT_US = 2_000_000L
        const val POLL_US = 10_000L
    }
}

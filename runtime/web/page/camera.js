// The cameras: opened at 720p, front or back, with the reason told when one cannot be had.

const WANTED = {width: {ideal: 1280}, height: {ideal: 720}, frameRate: {ideal: 30}};
const REASONS = {
  NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'noCamera', OverconstrainedError: 'noCamera',
  NotReadableError: 'inUse', AbortError: 'inUse',
};

export class Camera {
  #track = null;
  #facing = 'user';

  /** `onDevices` hears the list of cameras and the id of the one that is on. */
  constructor(onDevices) {
    this.onDevices = onDevices;
    navigator.mediaDevices?.addEventListener?.('devicechange', () => this.#track && this.#list());
  }

  /** Key and values of the line that tells why a camera could not be started. */
  static reason(error) {
    if (error.name === 'InsecureError') return ['insecure', {}];
    return [REASONS[error.name] ?? 'cameraFailed', {error: error.message}];
  }

  /** A new track: of the camera `deviceId`, or of the one on the `other` side of a phone. */
  async start({deviceId, other = false} = {}) {
    if (!navigator.mediaDevices) throw Object.assign(new Error('no https'), {name: 'InsecureError'});
    if (other) this.#facing = this.#facing === 'user' ? 'environment' : 'user';
    const which = deviceId ? {deviceId: {exact: deviceId}} : {facingMode: this.#facing};
    const stream = await navigator.mediaDevices.getUserMedia({video: {...WANTED, ...which}});
    return stream.getVideoTracks()[0];
  }

  /** Make a track the camera's own. */
  take(track) {
    this.#track = track;
    this.#list();
  }

  /** The same camera for another view. */
  again() {
    const before = this.#track;
    const track = before.clone();
    this.take(track);
    before.stop();
    return track;
  }

  async #list() {
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({kind}) => kind === 'videoinput');
    this.onDevices(devices, this.#track?.getSettings?.().deviceId);
  }

  stop() {
    this.#track?.stop();
    this.#track = null;
  }
}

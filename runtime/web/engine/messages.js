// Calls over postMessage: a name and one argument go, a result or an error's message comes back; `final` errors are the same on every try.

/** Answer calls that arrive at `port` by `actions`; one may return {result, transfer} to give buffers away. */
export function answer(port, actions) {
  port.addEventListener('message', async ({data: {id, name, argument}}) => {
    try {
      const given = await actions[name](argument);
      const [result, transfer] = given?.transfer ? [given.result, given.transfer] : [given, []];
      port.postMessage({id, result}, transfer);
    } catch (error) {
      port.postMessage({id, error: String(error?.message ?? error), final: Boolean(error?.final)});
    }
  });
}

/** The other end: `call(name, argument, transfer)` promises the result; `on(event, action)` hears what it posts itself. */
export class Caller {
  #waiting = new Map();
  #heard = new Map();
  #last = 0;

  constructor(worker) {
    this.worker = worker;
    worker.addEventListener('message', ({data: {id, result, error, final, event, value}}) => {
      if (event) {
        this.#heard.get(event)?.(value);
        return;
      }
      const {resolve, reject} = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(Object.assign(new Error(error), {final}));
    });
    for (const kind of ['error', 'messageerror']) {
      worker.addEventListener(kind, (event) => this.end(event.message || 'the worker stopped'));
    }
  }

  call(name, argument = {}, transfer = []) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      this.#waiting.set(id, {resolve, reject});
      this.worker.postMessage({id, name, argument}, transfer);
    });
  }

  on(event, action) {
    this.#heard.set(event, action);
  }

  /** Stop the worker; whoever waits gets an error. */
  end(reason = 'closed') {
    this.worker.terminate();
    for (const {reject} of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}

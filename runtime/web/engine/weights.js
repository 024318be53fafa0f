// A .tflite whose weights are halves (fp16) as one whose weights are singles. LiteRT.js gives a model to XNNPACK, its fast
// kernels, only where weights and biases have one type: with fp16 weights and fp32 biases most of the model would run in
// kernels that take five to fifteen times as long. The flatbuffer is changed in place; new weights come behind its end.

const FLOAT32 = 0;
const FLOAT16 = 1;
const DEQUANTIZE = 6; // BuiltinOperator
/** Numbers of the fields that are read, from the schema of .tflite files. */
const FIELDS = {
  model: {operatorCodes: 1, subgraphs: 2, buffers: 4},
  code: {early: 0, builtin: 3},
  subgraph: {tensors: 0, operators: 3},
  tensor: {type: 1, buffer: 2},
  operator: {code: 0, inputs: 1, outputs: 2},
  buffer: {data: 0},
};

/** Reads tables and vectors of a flatbuffer; a place is an offset in bytes from the file's begin. */
class Reader {
  constructor(bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  follow(place) {
    return place + this.view.getUint32(place, true);
  }

  /** Place of a table's field; 0 when it is not there, which means its default. */
  field(table, number) {
    const layout = table - this.view.getInt32(table, true);
    const entry = 4 + 2 * number;
    const offset = entry < this.view.getUint16(layout, true) ? this.view.getUint16(layout + entry, true) : 0;
    return offset && table + offset;
  }

  number(table, number) {
    const place = this.field(table, number);
    return place ? this.view.getUint32(place, true) : 0;
  }

  /** Places of the 4-byte elements of a vector. */
  elements(table, number) {
    const place = this.field(table, number);
    if (!place) return [];
    const vector = this.follow(place);
    const length = this.view.getUint32(vector, true);
    if (vector + 4 + 4 * length > this.view.byteLength) throw new RangeError('a vector ends behind the file');
    return Array.from({length}, (_, i) => vector + 4 + 4 * i);
  }

  tables(table, number) {
    return this.elements(table, number).map((place) => this.follow(place));
  }
}

/** Half-precision numbers (Uint16Array) -> Float32Array. */
function singles(halves) {
  const result = new Float32Array(halves.length);
  const bits = new Uint32Array(result.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent) bits[i] = ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
    else result[i] = fraction * 2 ** -24;
    bits[i] |= (half & 0x8000) << 16;
  }
  return result;
}

/** Bytes of a .tflite -> bytes of the same model without fp16 weights. A broken file stays as it is: LiteRT says why. */
export function withoutHalves(file) {
  try {
    return unpacked(file);
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return file;
    throw error;
  }
}

function unpacked(file) {
  const reader = new Reader(file);
  const model = reader.follow(0);
  const codes = reader.tables(model, FIELDS.model.operatorCodes).map((code) => {
    const early = reader.field(code, FIELDS.code.early);
    return Math.max(early ? reader.view.getInt8(early) : 0, reader.number(code, FIELDS.code.builtin));
  });
  const buffers = reader.tables(model, FIELDS.model.buffers);
  const bytes = Uint8Array.from(file);
  const writer = new DataView(bytes.buffer);
  const added = new Map(); // place of a buffer's data -> its weights as singles
  for (const graph of reader.tables(model, FIELDS.model.subgraphs)) {
    const tensors = reader.tables(graph, FIELDS.subgraph.tensors);
    const stored = new Map(); // tensor that DEQUANTIZE gives -> tensor of the weights
    const kept = [];
    const operators = reader.tables(graph, FIELDS.subgraph.operators);
    for (const operator of operators) {
      const [from] = reader.elements(operator, FIELDS.operator.inputs).map((place) => reader.view.getInt32(place, true));
      const [to] = reader.elements(operator, FIELDS.operator.outputs).map((place) => reader.view.getInt32(place, true));
      const type = from >= 0 && reader.field(tensors[from], FIELDS.tensor.type);
      const data = type && reader.field(buffers[reader.number(tensors[from], FIELDS.tensor.buffer)], FIELDS.buffer.data);
      const unpacks = codes[reader.number(operator, FIELDS.operator.code)] === DEQUANTIZE;
      if (!unpacks || !data || reader.view.getInt8(type) !== FLOAT16) {
        kept.push(operator);
        continue;
      }
      const vector = reader.follow(data);
      const length = reader.view.getUint32(vector, true);
      added.set(data, singles(new Uint16Array(bytes.slice(vector + 4, vector + 4 + length).buffer)));
      stored.set(to, from);
    }
    for (const tensor of new Set(stored.values())) {
      writer.setInt8(reader.field(tensors[tensor], FIELDS.tensor.type), FLOAT32);
    }
    for (const operator of kept) {
      for (const place of reader.elements(operator, FIELDS.operator.inputs)) {
        const tensor = reader.view.getInt32(place, true);
        if (stored.has(tensor)) writer.setInt32(place, stored.get(tensor), true);
      }
    }
    const [first] = reader.elements(graph, FIELDS.subgraph.operators);
    if (first) writer.setUint32(first - 4, kept.length, true);
    kept.forEach((operator, i) => writer.setUint32(first + 4 * i, operator - (first + 4 * i), true));
  }
  if (!added.size) return file;
  return withData(bytes, added);
}

/** Put vectors behind a flatbuffer: `added` maps the place of an offset to the Float32Array that it shall lead to. */
function withData(bytes, added) {
  let end = bytes.length;
  const places = [...added].map(([place, values]) => {
    const data = Math.ceil((end + 4) / 16) * 16; // .tflite wants its weights at multiples of 16
    end = data + values.byteLength;
    return {place, values, data};
  });
  const result = new Uint8Array(end);
  result.set(bytes);
  const writer = new DataView(result.buffer);
  for (const {place, values, data} of places) {
    writer.setUint32(data - 4, values.byteLength, true);
    writer.setUint32(place, data - 4 - place, true);
    result.set(new Uint8Array(values.buffer), data);
  }
  return result;
}

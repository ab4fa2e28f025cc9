import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { crc32c } from "./crc32c.js";

/** What begins every event file. */
export const FILE_VERSION = "brain.Event:2";

/** `SessionLog.START`: whoever reads the file forgets events of this step and later ones from earlier files. */
const SESSION_START = 1;

/** The parts of TensorFlow's `Event` message that are written here. */
export interface TensorBoardEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step?: number;
  readonly fileVersion?: string;
  readonly isSessionStart?: boolean;
  /** Scalars by tag. */
  readonly scalars?: Readonly<Record<string, number>>;
}

/**
 * The event as a record of an event file: `Event` of tensorflow/core/util/event.proto (wall_time 1, step 2,
 * file_version 3, summary 5, session_log 7), its scalars as `Summary.Value` (tag 1, simple_value 2) of
 * tensorflow/core/framework/summary.proto.
 */
export function eventRecord({
  wallTime,
  step,
  fileVersion,
  isSessionStart = false,
  scalars,
}: TensorBoardEvent): Uint8Array {
  const event = new BinaryWriter().tag(1, WireType.Bit64).double(wallTime);
  if (step !== undefined) event.tag(2, WireType.Varint).int64(step);
  if (fileVersion !== undefined) event.tag(3, WireType.LengthDelimited).string(fileVersion);
  if (scalars !== undefined) {
    event.tag(5, WireType.LengthDelimited).fork();
    for (const [tag, value] of Object.entries(scalars)) {
      event.tag(1, WireType.LengthDelimited).fork();
      event.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(toFloat32(value));
      event.join();
    }
    event.join();
  }
  if (isSessionStart) {
    event.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(SESSION_START).join();
  }
  return tfRecord(event.finish());
}

/** The writer refuses what float32 cannot hold; beyond its range stands an infinity. */
function toFloat32(value: number): number {
  return Math.fround(value);
}

/** TFRecord: length as uint64, its masked CRC-32C, the data, their masked CRC-32C, all little-endian. */
function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

/** Rotated and offset, so that checksums of data that hold checksums do not go wrong (tensorflow/core/lib/hash). */
function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

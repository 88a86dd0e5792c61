// Package archive is the sealed file, by custom named .flowlog: one run in one file, with
// everything that a store has of it, so that a store of any kind can make the same run of
// it, hashes included. Events lie in it as the segments of package log/segment
// that a store keeps, and notes as they are stored, byte for byte, so writing one makes nothing anew of what is sealed.
//
// [Write] writes what log.Log.Export gives, and [Read] gives it back for log.Log.Import.
//
// # Format
//
// A file is eight bytes that say what it is, a version, and frames to its end:
//
//	+-----------+---------+-------+------------------+-------+
//	| "flowlog" | version | run   | segments         | end   |
//	| and 0x0A  | 1 byte  | frame | a frame each     | frame |
//	+-----------+---------+-------+------------------+-------+
//
// A frame has two parts, of which the second may be empty. Numbers are little-endian:
//
//	+--------+------------+------------+---------+-------+--------+---------+
//	| kind   | length of  | length of  | CRC-32C | first | second | CRC-32C |
//	| 1 byte | first, 4   | second, 4  | 4       |       |        | 4       |
//	+--------+------------+------------+---------+-------+--------+---------+
//
// The kinds, in the order in which they come:
//
//	R  the run, once: first is the JSON of log.Manifest: version, suite, run_id, life, events, head, anchor, notes
//	S  a segment of events, in order of seq: first is its index, second its data
//	N  notes, by number: first is the notes as they are stored, each behind its length as an unsigned
//	   LEB128 varint; second is empty
//	E  the end, once: first is JSON with the numbers of segments and of notes, and the head's hash again
//
// Why it is so:
//
//   - The version is looked at before any checksum: an unknown one is reported as such and
//     never as damage.
//   - Each CRC-32C is of all bytes of the file before it but the checksums. So a frame that is
//     missing, that came twice, from elsewhere or from another file is found at once, and where
//     it stands is known.
//   - The lengths have a checksum of their own, so that a damaged one is not believed.
//   - The run comes first, so that whoever reads knows what it is before the first segment, and
//     how much is to come; the end tells that nothing is missing.
//   - There is no time in it: the same run as it is stored gives the same file.
//
// The checksums find damage, and what a file says of itself is not to be trusted further:
// log.Log.Import holds all of it to the run's hashes.
//
// # Limits
//
// The first part of R and E is at most 64 KiB, a part of a segment at most 1,000,000,000 bytes, as
// much as a store can hold. Memory is taken as bytes arrive, for one frame at a time.
package archive

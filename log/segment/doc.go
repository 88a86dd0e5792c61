// Package segment packs consecutive events of a run into one sealed, immutable block, and
// reads it back: bytes in, bytes out.
//
// A segment is two byte strings, which drivers store apart: the index, which is all but
// the larger payloads, so that a reader lists headers without reading a large state; and the
// data, which is those payloads. The package doesn't know what headers, metas and payloads are.
// It finds values in headers that look like JSON's and packs them well; it packs others as
// they are.
//
// A [Codec] makes a [Writer] for each segment to be written, parses an [Index] and makes a
// [Reader] of an index and its data. A Codec, an Index and a Reader are safe for concurrent
// use; a Writer is not.
//
// # Sources
//
// Both strings are compressed with zstd (RFC 8878). Sorted string tables (LevelDB, Pebble)
// have blocks of some 64 KiB with a checksum each, and an index that says where they are.
// Column stores keep numbers of the same field together, as differences. CRAM stores the
// name of a read as what differs from the name before, token by token (James Bonfield,
// "CRAM 3.1", 2022). Compressors of logs divide lines into what they have in common and
// what varies.
//
// # Format
//
// Numbers are unsigned LEB128 varints (as in encoding/binary) in their shortest form, signed
// ones in zigzag form; checksums and the 24 bits of operations are little-endian. The index:
//
//	+--------+---------+---------+--------------+-----------------------+-----------+--------+
//	| "FLSI" | version | CRC-32C | table length | stored length<<1      | the table | tail   |
//	| 4      | 1 byte  | 4       | varint       | | method       varint | as stored | to end |
//	+--------+---------+---------+--------------+-----------------------+-----------+--------+
//
// The data:
//
//	+--------+---------+-------------+-----------------------------------+
//	| "FLSD" | version | the index's | the blocks as stored, in order    |
//	| 4      | 1 byte  | CRC-32C, 4  |                                   |
//	+--------+---------+-------------+-----------------------------------+
//
// The table, with what goes to the tail meanwhile:
//
//	suite                   a byte
//	run, life               a length and that many bytes each
//	first                   varint, at least 1
//	entries                 varint, less 1
//	recency, bytes, stored  varint each
//	                        tail: the hash before, 32 bytes, unless first is 1; the hash at the end, 32
//	kinds                   a byte for each entry
//	bases                   varint each: 0 for none, else the base's seq less the entry's, signed
//	lengths of metas        a byte for each entry
//	metas                   by place and then by entry: a byte for each entry whose meta has that place,
//	                        less the byte at the same place of the last entry before that has one, or 0
//	lengths of payloads     varint each: 0 for none
//	groups                  varint for each 128 entries, a group: the stored length<<1 | method of its small
//	                        payloads, 0 if it has none
//	small                   for each entry of a group with small payloads, a byte: 1 if its payload is one
//	                        tail: by entry, 32 bytes each: its digest, unless its payload is small; and if it is
//	                        the last of a group and not of the segment, the run's hash chain at it
//	order                   varint for each other payload that isn't empty, in the order in which they lie in
//	                        the blocks: its entry's place from 0, less that of the one before, signed
//	blocks                  varint: their number
//	payloads                varint for each block: how many are in it, at least 1
//	stored lengths          varint for each block: length<<1 | method
//	                        tail: a CRC-32C for each block, of its bytes as stored
//	forms                   varint for each entry: 0 if its header is the first of a new form, else the
//	                        number of its form, counted from 1
//	first headers           for each form: length, number of digests, their places, and the header
//	                        without those digests; tail: 32 bytes for each digest
//	operations              for each form: a byte for each value of each header but the first, by value
//	                        and then by header
//	operands                for each such header, in the order of the entries, what its operations need
//	                        tail, at its end: the small payloads of each group as stored
//
// A small payload has up to 512 bytes, and its entry's digest is its SHA-256.
//
// A header's values are found by one rule (values.go): behind a colon, either a number or what
// is in quotes, which themselves may be escaped once. Headers that differ in values only have
// the same form. A digest in a header is a quoted value of 64 lower-case hexadecimal digits;
// its place is the number of values since the digest before. An operation makes a value of the
// same value of the form's header before:
//
//	0         it is the same
//	1         other text: a length and that many bytes
//	2         a number that differs by a signed varint; it has zeros in front up to the width of the
//	          old one if that begins with 0, as in all operations that make numbers
//	3         a time (RFC 3339, UTC, nanoseconds without zeros at the end) that differs by nanoseconds,
//	          in zigzag form: a varint of all bits but the low 16, and those in the tail
//	4         a digest: 32 bytes in the tail
//	5         a number: the nanoseconds from the time of the header before to that of this one, minus
//	          a number of 24 bits: its high byte here, its low 16 bits in the tail. The time of a
//	          header is the first that an operation 3 made in it; the
//	          header before is the last of the entries before that has one, 1970 if none has
//	6         the text of the first time that an operation 3 made in the same header
//	7 to 126  a number that is larger by 1 to 120
//	127       the length of the entry's payload, in digits
//	128 up    a known text, by its number. Known are, in this order and each once, up to 128 of: the
//	          values of the first headers of the first four forms, unless they are empty, digests,
//	          numbers or times; and then the texts of operations 1
//
// Why it is so:
//
//   - The magic bytes and the version stand apart, and outside the checksum: an unknown version is
//     reported as such and never as damage.
//   - The index's CRC-32C covers all that follows it and so, through the blocks' checksums, the
//     data; and the data repeats it. So neither a foreign index, nor foreign data, nor a block of
//     another segment goes unnoticed.
//   - method is 0 for bytes as they are and 1 for one zstd frame: a single segment that states its
//     length, without checksum; the table's with the dictionary of dictionary.go (number 1), which
//     saves each segment some 60 bytes. What doesn't get shorter is stored as it is.
//   - No length is there twice: a block's is the sum of its payloads', the data's that of its blocks.
//   - The tail has what no compressor makes smaller, and what would only spoil its statistics: of the
//     43 bytes that an event takes in the index, 36 are its digest and the 16 bits of two operations.
//   - A digest can't be compressed: it would be a fifth of an event with a payload of 300 bytes. So a
//     small payload lies in the index, and its digest is computed. A reader of one event decompresses
//     the payloads of its group only, and follows the hash chain through that group. Groups of 128
//     take half the time of groups of 256, and 3 % more space.
//   - A meta's bytes lie by place, as differences, so that what is the same in all metas, or grows
//     evenly, is a row of equal bytes. Five numbers of which one grows by 1 take 24 bytes for 256
//     entries. Differences of numbers would take 20, and need metas that are numbers.
//   - An engine starts a node when it has saved the one before. So the time that a node took is,
//     within milliseconds, the time since the header before: operation 5 saves 2 bytes an event.
//     Operation 6 is for an engine's envelope, which repeats the time: 4 bytes an event.
//   - JSON's numbers have no zeros in front, so a number that loses a digit stays a number: 0.6 bytes
//     an event.
//   - Payloads have an order of their own, since deltas run from newer to older, and since a payload
//     of a block's size or more has a block to itself while the others stay together.
//
// Measured: bytes of the index for each event without payload, in segments of so many events, whose
// nodes take 1 ms to 100 s; and the length of a header, in those of 256:
//
//	events              1      2      5     20    256    header
//	plain             246    163    101     57     43       188
//	with envelopes    339    219    123     61     40       419
//
// 256 states of an agent's transcript, 100 MB in all, are written in 9 ms, nearly all of it for the
// one that is whole; an index of 256 entries is parsed in 0.13 ms.
//
// # Limits
//
// A segment has at most [MaxEntries] entries and a table of at most [MaxTable] bytes, a meta at most
// [MaxMeta] bytes, a chain of bases at most [MaxDepth] links, and a payload or block the length that
// [Options] allow. A table, and the headers together, are at most 4 MiB and 1,024 times as long as what
// they are made of (the table as stored, the index): a writer that would get beyond stores them as they
// are. So what ParseIndex allocates is bounded by that, by some 300 bytes for each entry, and by 10 for
// each of the table's. An Index keeps the small payloads that were needed, at most 64 KiB for each
// group. A Reader allocates one block at a time, once its checksum has held, and keeps 8 MiB besides.
package segment

// Package delta expresses one state as copies from another, its base, and literals.
//
// Successive states of a workflow run are nearly alike: a few values change, a message is appended. [Encode] finds what a
// state has in common with the one before, [Parse] checks a delta completely, [Delta.Apply] rebuilds the state, and
// [Compose] makes one delta of two, so that a state far down a chain is built once and not once per link.
//
// A delta doesn't compress: it is made to be compressed by the caller, alone or many together. It doesn't know whether the
// base it is applied to is the right one beyond its length: callers check the state they get against its hash.
//
// # Sources
//
// Copies found through a table of block hashes of the base are rsync's technique (Andrew Tridgell and Paul Mackerras, "The
// rsync algorithm", 1996); expressing a target as copies and literals, with offsets relative to what came before and the
// literals in a section of their own, is VCDIFF's (RFC 3284). Unlike with rsync both states are at hand. So both ends and
// the neighbourhood of each difference are compared first, and most states need no table; matches are extended byte by byte
// either way; and the hash is computed where it is looked up rather than rolled along, since most offsets never are.
//
// # Format
//
// Numbers are unsigned LEB128 varints (as in encoding/binary) in their shortest form, except the checksum.
//
//	+---------+------------------+-------------+---------------+------------+
//	| version | CRC-32C          | base length | target length | operations |
//	| 1 byte  | 4, little-endian | varint      | varint        | varint     |
//	+---------+------------------+-------------+---------------+------------+
//	then for each operation
//	+--------------------+---------------+
//	| length<<1 | kind   | move          |
//	| varint             | zigzag varint |
//	|                    | copies only   |
//	+--------------------+---------------+
//	then, up to the end
//	+--------------------------------+
//	| the literals' bytes, in order  |
//	+--------------------------------+
//
// Why each is there:
//
//   - version is 1. It stands outside the checksum, so that a later format may check itself otherwise, and an unknown one is
//     reported as such and never as damage.
//   - CRC-32C covers all that follows it. Damage is found before any number is believed; the checks below stand without it,
//     for bytes that someone made up.
//   - base length tells a wrong base, and lets every copy be held against it once, when parsing.
//   - target length is what a caller bounds and allocates. The operations' lengths add up to exactly it.
//   - operations is their number, so that where the literals begin is known after one pass, and room is allocated once.
//   - kind is 0 for a copy and 1 for a literal. A length is at least 1; two literals never follow each other, nor two copies
//     where the second goes on in the base where the first ended: either would be one.
//   - move is how far from the expected place the copy begins. Expected is the end of the copy before, plus the length of the
//     literal since (at the beginning, 0): after an edit in place the move is 0, one byte; after an insertion it is minus
//     the length of what was inserted; after a deletion, the length of what was deleted.
//   - The literals lie together, since text compresses better undisturbed, and composing passes them on as they are.
//
// Every delta has one form: what Parse accepts is, byte for byte, what [Delta.Append] writes of it.
//
// # Limits
//
// A delta is at most [MaxOverhead] bytes longer than its target. Parse allocates at most 20 bytes for each of the delta's, Compose at
// most [MaxComposedOps] operations. Lengths are bounded by an int and, where that is 64 bits, by nothing else; a base of over 16 MiB is
// searched more coarsely, so that Encode's scratch memory stays bounded.
package delta

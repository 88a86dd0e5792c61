package segment

import "hash/crc32"

// Version is the format that this package writes, and the only one it reads.
const Version = 2

// The limits of the format.
const (
	// MaxEntries is how many entries a segment can have.
	MaxEntries = 1 << 12
	// MaxDepth is how many bases there can be between an entry and one without.
	MaxDepth = 255
	// MaxMeta is how long an entry's Meta can be, in bytes.
	MaxMeta = 255
	// MaxSmall is how long a payload can be that lies in the index, in bytes.
	MaxSmall = 512
	// GroupEntries is how many entries a group has, but for the last. Their small
	// payloads are compressed together.
	GroupEntries = 128
	// MaxTable is how long the index's table can be before compression, in bytes:
	// the headers, the metas and some 10 bytes for each entry.
	MaxTable = 64 << 20
)

const (
	indexMagic = "FLSI"
	dataMagic  = "FLSD"
	sumAt      = 5 // behind the magic and the version
	sumEnd     = 9
	dataStart  = sumEnd // of the blocks
)

// The ways to store a block or the table.
const (
	methodStored = 0
	methodZstd   = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Info says what a segment is a part of.
type Info struct {
	Run  string // the run's id, not empty
	Life string // the run's incarnation id
	// Suite is a number that the caller assigns to its hashes and digests.
	Suite uint8
	// First and Last are the seqs of the first and the last event; First is at
	// least 1.
	First, Last uint64
	// Prev is the run's hash chain before First, zero if First is 1; Hash is the
	// chain at Last. The last entry's Hash is ignored.
	Prev, Hash [32]byte
	// Recency is that of the last event.
	Recency uint64
	// Bytes and Stored are the run's running totals up to and with the event
	// before First, in bytes.
	Bytes, Stored int64
}

// Entry is an event in a segment but for its payload.
type Entry struct {
	Seq  uint64
	Kind uint8 // a number of the caller's
	// Base is the seq of the entry of the same segment that the payload needs to
	// be read, 0 for none. It may be smaller or larger than Seq.
	Base   uint64
	Header []byte
	// Digest is the SHA-256 of the payload's meaning, such as a state. It isn't checked.
	// If the payload has at most MaxSmall bytes and this is its SHA-256, the payload lies
	// in the index. Digest is then zero when an index is read: use Index.Digest.
	Digest [32]byte
	// Hash is the run's hash chain at the event. It is stored for the last entry of
	// each group, and else zero when an index is read.
	Hash [32]byte
	// Meta belongs to the caller. It has at most MaxMeta bytes, and takes almost no
	// space if it is nearly the same as that of the entry before.
	Meta []byte
	// Len is the payload's length in bytes. A Writer takes it from the payload.
	Len int64
	// Stored is what the entry takes as it is stored, in bytes: its share of the index
	// and of the payload's block, rounded so that a segment's entries add up to it. It
	// is computed when an index is read, and so is what follows.
	Stored int64
	// StoredPayload is the payload's part of Stored; Shared says that it is a share
	// of what is compressed together with other payloads.
	StoredPayload int64
	Shared        bool
}

// span is a payload's place.
type span struct {
	block int32 // or nowhere or inIndex
	off   int64 // in the block or the group, decompressed
}

// Where a payload is that is in no block.
const (
	nowhere = -1 // it is empty
	inIndex = -2
)

// block is a run of payloads that are compressed together.
type block struct {
	payloads int
	off      int64 // in the data
	stored   int64
	raw      int64
	crc      uint32 // of the stored bytes
	method   byte
}

// depths follows each entry's base, given as a position or -1, and returns how
// many there are to go through. If there are more than MaxDepth, as there are in
// a circle, ok is false and bad is an entry that has them.
func depths(bases []int32) (depth []uint8, bad int, ok bool) {
	depth = make([]uint8, len(bases))
	known := make([]bool, len(bases))
	path := make([]int32, 0, MaxDepth+1)
	for i := range bases {
		path = path[:0]
		j := int32(i)
		for ; !known[j] && bases[j] >= 0; j = bases[j] {
			if len(path) == MaxDepth+1 {
				return nil, i, false
			}
			path = append(path, j)
		}
		d := int(depth[j])
		known[j] = true
		for k := len(path) - 1; k >= 0; k-- {
			if d++; d > MaxDepth {
				return nil, i, false
			}
			depth[path[k]], known[path[k]] = uint8(d), true
		}
	}
	return depth, 0, true
}

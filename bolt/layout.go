package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// The layout. Each run has a key, rk, a number that is never used again, so that
// what a dropped run leaves is never taken for that of its next life. Numbers in
// keys are 8 bytes, big-endian, and in values little-endian.
//
//	flowlog            what says that the file is ours
//	    format         magic, version, checksum
//	    counters       the last rk and the last segment id that were given
//	heads              id -> the run's row
//	recent             minute of the last event, id -> nothing
//	runs
//	    rk             a bucket per run
//	        g id       a segment in force: what is said of it
//	        g id c     a bucket with its contents if they are large: 1 the index, 2 the data
//	        r seq      an event: its header, and its state if that is small
//	        r seq s    a bucket with its state if it is not: 1
//	        z          the seq of the last event that was appended
//	blocks             the contents of small segments of all runs
//	    rk id 1 n      the index, in pieces
//	    rk id 2 n      the data, in pieces
//	dead               rk a, rk s id, rk t: what is to be erased, see purge.go
//
// An append writes the last page of its run, and those on the way there, and is in
// order, so pages are filled to the brim (FillPercent 1). What is large has a
// bucket of its own: bbolt writes a page anew, with all that is on it, when a key
// beside it changes, and puts at least two values on one; a bucket's pages are
// left alone. So is a state when only headers are read: a state of at most
// inlineState bytes shares the page of its header, which spares both a page.
//
// A bucket has pages of its own, so of many small runs, each sealed to a few
// kilobytes, the contents lie side by side in one bucket, in pieces of which many
// have room on a page: values of more than half a page leave the rest of it empty.
// What is left of such a run is small enough for bbolt to keep it on the page of its
// parent.
//
// Pages have no checksum: one that says it holds fewer keys than it does would hide
// the newest events, and the next would take their place. So each run's bucket ends
// with a key that says which event must be before it; it is on the page that an
// append writes anyway.
//
// Runs are listed by their last event, newest first. An index on that would be
// two more pages to write with every event, so it is by the minute, which changes
// rarely; within it runs are sorted when they are listed.
var (
	oursBucket   = []byte("flowlog")
	headsBucket  = []byte("heads")
	recentBucket = []byte("recent")
	runsBucket   = []byte("runs")
	blocksBucket = []byte("blocks")
	deadBucket   = []byte("dead")

	formatKey   = []byte("format")
	countersKey = []byte("counters")
	firstKey    = []byte("1")
	secondKey   = []byte("2")
	endKey      = []byte("z")
)

const (
	magic         = "flowlog/bolt\x00"
	formatVersion = 1

	// inlineState is the size in bytes up to which a state is stored beside its
	// header.
	inlineState = 2048

	// smallBlock is the size in bytes up to which a segment's contents lie in
	// blocks.
	smallBlock = 16 << 10

	// pieceSize is the size in bytes of the pieces. Eight fill a page of 4 KiB, with
	// 34 bytes for each one's key and place.
	pieceSize = (4096-16)/8 - 34
)

// Every value has a checksum over what it is, the place where it belongs, and
// itself: a page in the wrong place is not believed either.
const (
	kindFormat   = 'f'
	kindCounters = 'c'
	kindHead     = 'h'
	kindRecent   = 'm'
	kindRecord   = 'r'
	kindState    = 's'
	kindEnd      = 'z'
	kindSegment  = 'g'
	kindIndex    = 'i'
	kindData     = 'd'
	kindDead     = 'x'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(kind byte, rk, n uint64, parts ...[]byte) uint32 {
	var place [17]byte
	place[0] = kind
	binary.LittleEndian.PutUint64(place[1:], rk)
	binary.LittleEndian.PutUint64(place[9:], n)
	sum := crc32.Update(0, castagnoli, place[:])
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func recordKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{'r'}, seq) }
func stateKey(seq uint64) []byte  { return append(recordKey(seq), 's') }
func segmentKey(id uint64) []byte { return binary.BigEndian.AppendUint64([]byte{'g'}, id) }
func contentKey(id uint64) []byte { return append(segmentKey(id), 'c') }

// blockKey is what the keys of a segment's contents in blocks begin with; then comes
// firstKey or secondKey, and the piece's number as a byte.
func blockKey(rk, id uint64) []byte { return append(numberKey(rk), numberKey(id)...) }

// putPieces stores a part of a segment in blocks.
func putPieces(blocks *bbolt.Bucket, key, part []byte) error {
	n := byte(0)
	for piece := range slices.Chunk(part, pieceSize) {
		if err := blocks.Put(append(key[:len(key):len(key)], n), piece); err != nil {
			return err
		}
		n++
	}
	return nil
}

// getPieces returns what putPieces stored, or nil.
func getPieces(blocks *bbolt.Bucket, key []byte) []byte {
	var part []byte
	c := blocks.Cursor()
	for k, v := c.Seek(key); bytes.HasPrefix(k, key); k, v = c.Next() {
		part = append(part, v...)
	}
	return part
}

// isRecord reports whether a key of a run's bucket is that of an event, and which.
func isRecord(key []byte) (seq uint64, ok bool) { return isNumbered(key, 'r') }

func isState(key []byte) bool { return len(key) == 10 && key[0] == 'r' && key[9] == 's' }

func isSegment(key []byte) (id uint64, ok bool) { return isNumbered(key, 'g') }

func isNumbered(key []byte, kind byte) (uint64, bool) {
	if len(key) != 9 || key[0] != kind {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[1:]), true
}

// minute is what the index of recency is by.
func minute(recency uint64) uint64 { return recency / 60e9 }

func recentKey(minute uint64, id string) []byte { return append(numberKey(minute), id...) }

// counters are the last numbers that were given.
type counters struct{ run, segment uint64 }

func (c counters) put(tx *bbolt.Tx) error {
	v := make([]byte, 4, 20)
	v = binary.LittleEndian.AppendUint64(v, c.run)
	v = binary.LittleEndian.AppendUint64(v, c.segment)
	binary.LittleEndian.PutUint32(v, checksum(kindCounters, 0, 0, v[4:]))
	ours, err := bucket(tx, oursBucket)
	if err != nil {
		return err
	}
	return ours.Put(countersKey, v)
}

func getCounters(tx *bbolt.Tx) (counters, error) {
	ours, err := bucket(tx, oursBucket)
	if err != nil {
		return counters{}, err
	}
	v := ours.Get(countersKey)
	if len(v) != 20 || binary.LittleEndian.Uint32(v) != checksum(kindCounters, 0, 0, v[4:]) {
		return counters{}, corrupt("", 0, "the last numbers given to runs and segments don't match their checksum")
	}
	return counters{run: binary.LittleEndian.Uint64(v[4:]), segment: binary.LittleEndian.Uint64(v[12:])}, nil
}

// bucket returns one of those that every file has.
func bucket(tx *bbolt.Tx, name []byte) (*bbolt.Bucket, error) {
	if b := tx.Bucket(name); b != nil {
		return b, nil
	}
	return nil, corrupt("", 0, "the file has no bucket "+string(name))
}

// Of a run's row, revision is rk<<32 and how often the row changed.
//
//	0       4       8          16        24     32
//	+-------+-------+----------+---------+------+------+
//	| CRC   | sum   | revision | recency | tail | data |
//	+-------+-------+----------+---------+------+------+
const headSize = 32

func encodeHead(id string, h *log.Head) []byte {
	v := make([]byte, headSize, headSize+len(h.Data))
	order := binary.LittleEndian
	order.PutUint32(v[4:], h.Sum)
	order.PutUint64(v[8:], h.Revision)
	order.PutUint64(v[16:], h.Recency)
	order.PutUint64(v[24:], h.Tail)
	v = append(v, h.Data...)
	order.PutUint32(v, checksum(kindHead, uint64(len(id)), 0, []byte(id), v[4:]))
	return v
}

// decodeHead returns a row whose data is still the page's.
func decodeHead(id string, v []byte) (log.Head, error) {
	order := binary.LittleEndian
	if len(v) < headSize || order.Uint32(v) != checksum(kindHead, uint64(len(id)), 0, []byte(id), v[4:]) {
		return log.Head{}, corrupt(id, 0, "the run's row doesn't match its checksum")
	}
	return log.Head{
		Run: id, Sum: order.Uint32(v[4:]), Revision: order.Uint64(v[8:]),
		Recency: order.Uint64(v[16:]), Tail: order.Uint64(v[24:]), Data: v[headSize:],
	}, nil
}

// runKey returns the rk that is part of a revision.
func runKey(revision uint64) uint64 { return revision >> 32 }

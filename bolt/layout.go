package bolt

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// The layout, format 2. Each run has a number, rk, that is never reused, so the remains
// of a dropped run are never mistaken for data of its next life. Numbers in keys are
// big-endian: rk and seqs 4 bytes, all others 8. In values they are little-endian.
//
//	flowlog                  marks the file as ours
//	    format               magic, version, checksum
//	    counters             the last assigned rk, segment id and slot version
//	    copy                 the name of the file beside it that Reclaim is writing
//	heads                    id -> the run's row
//	places                   class, place, id -> a checksum: the order of runs
//	runs
//	    rk                   a bucket for each run
//	        g first id       a segment in force: its row
//	        g first id c     a bucket with its contents if they are large: 1 the index, 2 the data
//	        r seq            an event: its header, and its state if that is small
//	        r seq s          a bucket with its state if that is large: 1
//	        z                the seq of the last event that was appended; place and class
//	        ~                nothing, see place.go
//	blocks                   the contents of small segments of all runs
//	    rk id 1 n            the index, in pieces
//	    rk id 2 n            the data, in pieces
//	entries                  rk, key -> an entry's value, or a bucket with it if it is large: 1
//	slots                    rk, key -> a slot; rk 0 is the storage itself
//	dead                     rk a, rk s first id, rk t: data to erase, see purge.go
//
// An append writes the last page of its run and the pages that lead to it, and nothing
// else. Records arrive in order, so pages are filled completely (FillPercent 1). A large
// value has a bucket of its own: bbolt rewrites a page whole when any key on it changes,
// and puts at least two values on a page, while the pages of another bucket stay as they
// are and are not read with the headers. A state of at most inlineState bytes shares the
// page of its header, which saves both a page.
//
// A bucket that is larger than a quarter of a page, or has a bucket in it, has pages of
// its own. So the contents of many small segments, the entries of many small runs, and
// all slots lie side by side in one bucket each. The bucket of a small sealed run is
// then so small that bbolt keeps it on the page of its parent. Contents are cut into
// small pieces, many to a page: a value of more than half a page would leave the rest
// of the page empty.
//
// Pages have no checksum. A page that claims to hold fewer keys than it does would hide
// the newest events, and the next append would reuse their seqs. So each run's bucket
// ends with a key that names the event before it, on the page that an append writes
// anyway. That key also has the run's place and class, so that they change with an
// append and the row does not.
//
// The order of runs has one key for a run, by class and then by place. A list of one
// class is a walk with one cursor; a list of all classes merges a cursor for each class
// that has runs, of at most 256.
var (
	oursBucket    = []byte("flowlog")
	headsBucket   = []byte("heads")
	placesBucket  = []byte("places")
	runsBucket    = []byte("runs")
	blocksBucket  = []byte("blocks")
	entriesBucket = []byte("entries")
	slotsBucket   = []byte("slots")
	deadBucket    = []byte("dead")

	formatKey   = []byte("format")
	countersKey = []byte("counters")
	copyKey     = []byte("copy")
	firstKey    = []byte("1")
	secondKey   = []byte("2")
	endKey      = []byte("z")
	padKey      = []byte("~")
)

// everyBucket lists the buckets that each file has, but for oursBucket.
var everyBucket = [][]byte{headsBucket, placesBucket, runsBucket, blocksBucket, entriesBucket, slotsBucket, deadBucket}

const (
	magic         = "flowlog/bolt\x00"
	formatVersion = 2
)

// Every value has a checksum over its kind, its place and its bytes, or its row has one
// that covers it: a value, or a page, in the wrong place is rejected. The end of a run's
// bucket, which can be found again, has none.
const (
	kindFormat   = 'f'
	kindCounters = 'c'
	kindHead     = 'h'
	kindPlace    = 'p'
	kindRecord   = 'r'
	kindState    = 's'
	kindEnd      = 'z'
	kindSegment  = 'g'
	kindIndex    = 'i'
	kindData     = 'd'
	kindEntry    = 'e'
	kindSlot     = 'l'
	kindDead     = 'x'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is a CRC-32C. The length of each part but one must follow from n or the
// kind.
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

// runKey returns the key of a run's bucket in runs, and the beginning of its keys in
// other buckets.
func runKey(rk uint64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(rk)) }

// rkSize is the length of a run's key.
const rkSize = 4

func recordKey(seq uint64) []byte { return binary.BigEndian.AppendUint32([]byte{'r'}, uint32(seq)) }
func stateKey(seq uint64) []byte  { return append(recordKey(seq), 's') }

// isRecord reports whether a key of a run's bucket is that of an event, and which.
func isRecord(key []byte) (seq uint64, ok bool) {
	if len(key) != 5 || key[0] != 'r' {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint32(key[1:])), true
}

func isState(key []byte) bool { return len(key) == 6 && key[0] == 'r' && key[5] == 's' }

// before moves a cursor to the last key below a key, and returns it, or nil.
func before(c *cursor, key []byte) (k, v []byte) {
	if k, _ = c.Seek(key); k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	if k != nil && bytes.Compare(k, key) >= 0 {
		panic(outOfOrder)
	}
	return k, v
}

// counters are the last numbers that were given.
type counters struct{ run, segment, slot uint64 }

const countersSize = 28

func (n counters) put(tx *transaction) error {
	v := make([]byte, 4, countersSize)
	v = binary.LittleEndian.AppendUint64(v, n.run)
	v = binary.LittleEndian.AppendUint64(v, n.segment)
	v = binary.LittleEndian.AppendUint64(v, n.slot)
	binary.LittleEndian.PutUint32(v, checksum(kindCounters, 0, 0, v[4:]))
	ours, err := bucket(tx, oursBucket)
	if err != nil {
		return err
	}
	return ours.Put(countersKey, v)
}

func getCounters(tx *transaction) (counters, error) {
	ours, err := bucket(tx, oursBucket)
	if err != nil {
		return counters{}, err
	}
	v := ours.Get(countersKey)
	if len(v) != countersSize || binary.LittleEndian.Uint32(v) != checksum(kindCounters, 0, 0, v[4:]) {
		return counters{}, corrupt("", 0, "the counters of runs, segments and slots don't match their checksum")
	}
	return counters{
		run: binary.LittleEndian.Uint64(v[4:]), segment: binary.LittleEndian.Uint64(v[12:]), slot: binary.LittleEndian.Uint64(v[20:]),
	}, nil
}

// bucket returns one of the buckets that every file has.
func bucket(tx *transaction, name []byte) (*tree, error) {
	if b := tx.Bucket(name); b != nil {
		return b, nil
	}
	return nil, corrupt("", 0, "the file has no bucket "+string(name))
}

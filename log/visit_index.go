package log

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// An index in the run's entries finds the visits of its nodes, so that no search for the
// nth or the newest visit of a node reads event by event. The index is sparse: the append
// that fills a block of 64 events writes an entry for each node in the block:
//
//	key    space ‖ node, 8 bytes ‖ number of the first visit in the block
//	value  varints: the seq of that visit; how many more visits follow in the block; and
//	       in the space of those taken, how many seqs further the newest is that
//	       recovery can take. Zeros at the end are left out.
//
// where node is the beginning of the SHA-256 of the event's role, a NUL and the node's
// id. The space is 'v' if recovery can take one of the visits, else 'd', so that the
// newest recoverable visit is found after any number of failures and dropped states.
// After the last full block the events themselves are read, 63 at most. In a key a number
// below 240 is one byte; a larger one is the byte 239 + n and then its n big-endian bytes, n
// as small as possible.
const (
	visitBlock   = 64
	spaceTaken   = 'v'
	spaceDropped = 'd'
	// spaceAnchor has, for each node, the number of visits dropped with their headers, as
	// a varint.
	spaceAnchor = 'a'
	// maxBlockEntries bounds the bytes of the entries of a block.
	maxBlockEntries = visitBlock * 32
)

// likeVisit reports whether a node's id could also name a visit, as "review#2".
func likeVisit(node string) bool {
	_, _, ok := splitVisit(node)
	return ok
}

// splitVisit splits "review#2" into "review" and 2.
func splitVisit(s string) (node string, n int, ok bool) {
	i := strings.LastIndexByte(s, '#')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(s[i+1:])
	return s[:i], n, err == nil && n > 0
}

// visitKey identifies the visits of a node in a role.
type visitKey [8]byte

func keyOf(role Role, node string) visitKey {
	b := make([]byte, 0, 64)
	b = append(append(append(b, role...), 0), node...)
	sum := sha256.Sum256(b)
	return visitKey(sum[:])
}

// visit is one event as the index sees it.
type visit struct {
	key   visitKey
	seq   uint64
	n     uint64
	taken bool
	// damage says that the record is damaged. Nothing else but the seq is known then.
	damage error
}

func visitOf(h *Header, r *record) visit {
	return visit{key: keyOf(h.Role, h.NodeID), seq: r.Seq, n: h.Visit, taken: r.taken()}
}

// visitEntry describes a node's visits in one block.
type visitEntry struct {
	key             visitKey
	first, seqFirst uint64 // number and seq of the first visit
	last            uint64 // number of the last visit
	newest          uint64 // seq of the newest that recovery can take, 0 for none
}

func (e *visitEntry) space() byte {
	if e.newest == 0 {
		return spaceDropped
	}
	return spaceTaken
}

// visitEntryKey is the key of the entry whose first visit is number n.
func visitEntryKey(space byte, key visitKey, n uint64) []byte {
	b := append(make([]byte, 0, 16), space)
	return appendSorted(append(b, key[:]...), n)
}

// sortedByte is the first number that appendSorted does not write as one byte.
const sortedByte = 240

// appendSorted appends a number so that longer ones sort behind shorter ones.
func appendSorted(b []byte, n uint64) []byte {
	if n < sortedByte {
		return append(b, byte(n))
	}
	size := (bits.Len64(n) + 7) / 8
	all := binary.BigEndian.AppendUint64(nil, n)
	return append(append(b, byte(sortedByte-1+size)), all[8-size:]...)
}

// parseSorted reads what appendSorted wrote.
func parseSorted(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	if n = uint64(b[0]); len(b) > 1 {
		var all [8]byte
		copy(all[9-len(b):], b[1:])
		n = binary.BigEndian.Uint64(all[:])
	}
	return n, bytes.Equal(b, appendSorted(nil, n))
}

func (e *visitEntry) entry() driver.Entry {
	v := make([]byte, 0, 8)
	for _, n := range []uint64{e.seqFirst, e.last - e.first, max(e.newest, e.seqFirst) - e.seqFirst} {
		v = binary.AppendUvarint(v, n)
	}
	// Only a varint of 0 ends with the byte 0.
	return driver.Entry{Key: visitEntryKey(e.space(), e.key, e.first), Value: bytes.TrimRight(v, "\x00")}
}

func parseVisitEntry(run string, stored driver.Entry) (visitEntry, error) {
	k, v := stored.Key, stored.Value
	bad := func() (visitEntry, error) {
		return visitEntry{}, corrupt(run, 0, fmt.Sprintf("entry %x of the index of visits", k))
	}
	if len(k) < 10 {
		return bad()
	}
	first, ok := parseSorted(k[9:])
	if !ok || first == 0 || first > MaxSeq {
		return bad()
	}
	var nums [3]uint64
	for i := 0; i < len(nums) && len(v) > 0; i++ {
		n, size := binary.Uvarint(v)
		if size <= 0 || n > MaxSeq {
			return bad()
		}
		nums[i], v = n, v[size:]
	}
	e := visitEntry{key: visitKey(k[1:9]), first: first, seqFirst: nums[0], last: first + nums[1]}
	if k[0] == spaceTaken {
		e.newest = e.seqFirst + nums[2]
	}
	if e.seqFirst == 0 || e.newest > MaxSeq || nums[1] >= visitBlock || nums[2] >= visitBlock || !bytes.Equal(e.entry().Value, stored.Value) {
		return bad()
	}
	return e, nil
}

// indexVisits returns the index entries for the ascending visits in one block.
func indexVisits(visits []visit) []visitEntry {
	var all []visitEntry
	for _, v := range visits {
		i := slices.IndexFunc(all, func(e visitEntry) bool { return e.key == v.key })
		if i < 0 {
			all = append(all, visitEntry{key: v.key, first: v.n, seqFirst: v.seq})
			i = len(all) - 1
		}
		if all[i].last = v.n; v.taken {
			all[i].newest = v.seq
		}
	}
	return all
}

// blockOf returns the seqs of the block that holds an event.
func blockOf(seq uint64) (from, to uint64) {
	from = (seq-1)/visitBlock*visitBlock + 1
	return from, from + visitBlock - 1
}

// droppedEntry says how many visits of a node were dropped with their headers.
func droppedEntry(key visitKey, n uint64) driver.Entry {
	return driver.Entry{Key: append([]byte{spaceAnchor}, key[:]...), Value: binary.AppendUvarint(nil, n)}
}

// visitsDropped returns how many visits of a node were dropped with their headers.
func (r *reader) visitsDropped(ctx context.Context, key visitKey) (uint64, error) {
	v, err := r.entry(ctx, append([]byte{spaceAnchor}, key[:]...))
	if err != nil || v == nil {
		return 0, err
	}
	n, size := binary.Uvarint(v)
	if size != len(v) {
		return 0, corrupt(r.run.ID, 0, fmt.Sprintf("entry of the visits of %x that were dropped", key))
	}
	return n, nil
}

// visitEntryBelow returns the entry of a node with the largest first visit that is at
// most n.
func (r *reader) visitEntryBelow(ctx context.Context, space byte, key visitKey, n uint64) (visitEntry, bool, error) {
	from := append([]byte{space}, key[:]...)
	to := append(visitEntryKey(space, key, n), 0)
	return r.lastVisitEntry(ctx, driver.EntryRange{From: from, To: to})
}

// lastVisitEntry returns the last entry of a range.
func (r *reader) lastVisitEntry(ctx context.Context, in driver.EntryRange) (visitEntry, bool, error) {
	found, err := r.l.entries(ctx, driver.EntriesRequest{Run: r.run.ID, EntryRange: in, Reverse: true, Limit: 1})
	if err != nil {
		return visitEntry{}, false, fmt.Errorf("%sread the index of visits: %w", place(r.run.ID, 0), err)
	}
	if len(found) == 0 {
		return visitEntry{}, false, nil
	}
	e, err := parseVisitEntry(r.run.ID, found[0])
	return e, err == nil, err
}

// entry returns the value of an entry, nil if there is none.
func (r *reader) entry(ctx context.Context, key []byte) ([]byte, error) {
	// Reverse, as for the other entries of the index, so that SQLite prepares one statement.
	found, err := r.l.entries(ctx, driver.EntriesRequest{Run: r.run.ID, EntryRange: oneEntry(key), Reverse: true, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("%sread an entry: %w", place(r.run.ID, 0), err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	if found[0].Value == nil {
		return []byte{}, nil
	}
	return found[0].Value, nil
}

// reindex returns the changes of the index when the states of events are dropped. seqs
// names the events, ascending.
func (r *reader) reindex(ctx context.Context, seqs []uint64) (remove []driver.EntryRange, put []driver.Entry, err error) {
	openFrom, _ := blockOf(r.run.Last + 1)
	for len(seqs) > 0 && seqs[0] < openFrom {
		from, to := blockOf(seqs[0])
		n, _ := slices.BinarySearch(seqs, to+1)
		visits, err := r.visits(ctx, from, to)
		if err != nil {
			return nil, nil, err
		}
		if err := damageOf(visits); err != nil {
			return nil, nil, err
		}
		before := indexVisits(visits)
		for i := range visits {
			if _, gone := slices.BinarySearch(seqs[:n], visits[i].seq); gone {
				visits[i].taken = false
			}
		}
		for i, e := range indexVisits(visits) {
			if e == before[i] {
				continue
			}
			remove = append(remove, oneEntry(visitEntryKey(before[i].space(), e.key, e.first)))
			put = append(put, e.entry())
		}
		seqs = seqs[n:]
	}
	return remove, put, nil
}

// oneEntry is the range of one key.
func oneEntry(key []byte) driver.EntryRange {
	return driver.EntryRange{From: key, To: append(slices.Clone(key), 0)}
}

package logtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/log"
)

// apart is how far the recencies of records lie apart.
const apart = 1000

// head makes the row of a run whose records are tail to last. It is a little more
// recent than the last of them.
func head(tail, last uint64) *log.Head {
	data := fmt.Appendf(nil, `{"last":%d}`, last)
	return &log.Head{Recency: last*apart + apart - 1, Tail: tail, Sum: crc32.ChecksumIEEE(data), Data: data}
}

// headOf is what must be read of a run that has this row and whose tail has these
// records.
func headOf(id string, revision uint64, row *log.Head, tail []log.Record) log.Head {
	h := *row
	h.Run, h.Revision, h.Last = id, revision, nil
	if n := len(tail); n > 0 {
		last := tail[n-1]
		last.StateLen, last.State = int64(len(last.State)), nil
		h.Last, h.Recency = &last, max(h.Recency, last.Recency)
	}
	return h
}

// lastOf returns the seq of a run's last event, 0 if it has none.
func lastOf(h log.Head) uint64 {
	if h.Last != nil {
		return h.Last.Seq
	}
	return max(h.Tail, 1) - 1
}

// record makes a record that differs in every field from those of other seqs
// and other tags.
func record(seq uint64, tag string) log.Record {
	text, _ := json.Marshal(tag) // a string can always be written
	header := fmt.Appendf(nil, `{"seq": %d, "tag": %s}`, seq, text)
	hash := sha256.Sum256(header)
	return log.Record{
		Seq: seq, Recency: seq*apart + uint64(hash[0]), Encoding: log.Plain + log.Encoding(seq%4), Base: seq / 2, Links: uint32(seq % 100),
		Bytes: int64(seq)<<20 + int64(hash[1]), Stored: int64(seq)<<10 + int64(hash[2]),
		Sum: crc32.ChecksumIEEE(header), Hash: log.Digest(hash),
		Header: header, State: fmt.Appendf(nil, "state %d of %s %x", seq, tag, hash[:seq%32]),
		StateLen: -1, // to be ignored
	}
}

func records(from, to uint64, tag string) []log.Record {
	var recs []log.Record
	for seq := from; seq <= to; seq++ {
		recs = append(recs, record(seq, tag))
	}
	return recs
}

func segment(first, last uint64, tag string) log.Segment {
	index, data := fmt.Appendf(nil, "\xfeindex of %d to %d of %s", first, last, tag), fmt.Appendf(nil, "\x00events %d to %d of %s\xff", first, last, tag)
	return log.Segment{First: first, Last: last, Size: int64(len(index) + len(data)), Index: index, Data: data}
}

// numbered returns segments with the ids that they were given.
func numbered(segs []log.Segment, added []uint64) []log.Segment {
	segs = slices.Clone(segs)
	for i := range segs {
		segs[i].ID = added[i]
	}
	return segs
}

// noise returns n bytes of all values that don't compress.
func noise(n int) []byte {
	out := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(out) // never fails
	return out
}

// page is what a request must return of a run's records.
func page(recs []log.Record, req log.RecordsRequest) []log.Record {
	recs = slices.Clone(recs)
	if req.Reverse {
		slices.Reverse(recs)
	}
	var out []log.Record
	var size int64
	for _, r := range recs {
		if r.Seq < req.From || r.Seq > req.To {
			continue
		}
		size += int64(len(r.Header))
		if !req.HeadersOnly {
			size += int64(len(r.State))
		}
		if len(out) == req.Limit || req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			break
		}
		out = append(out, r)
	}
	return out
}

// oddIDs are ids that a storage may confuse, in no order.
func oddIDs() []string {
	return []string{
		"a", "a\x00notes", "a\x00notez", "a\x00", "ab", "a ", " a", "A", "AB", "b", "B", "é", "e\u0301", "É", "ss", "ß", "日本",
		"%", "_", "a%", "a_", "%a", `a\`, `\a`, "a*", "a?", "[a]", "0", "00", "1", "1.0", "1e0", "-1", "NULL", "null", "a/b", "../a", ".", "a\nb", "a\tb",
		"'", "''", `"`, "`", "a'; DROP TABLE runs; --", "?1", ":a", "$a", "\ufffd", "\uffff", "\U0001F600", "\U0001F600\x00notes",
		strings.Repeat("x", log.MaxID), strings.Repeat("x", log.MaxID-1), strings.Repeat("x", log.MaxID-1) + "y",
		strings.Repeat("x", log.MaxID) + "\x00notes", strings.Repeat("é", log.MaxID/2),
	}
}

// cloneChanges copies changes and all that they refer to.
func cloneChanges(changes []log.Change) []log.Change {
	changes = slices.Clone(changes)
	for i := range changes {
		c := &changes[i]
		if c.Head != nil {
			h := cloneHead(*c.Head)
			c.Head = &h
		}
		c.Append, c.Rewrite = cloneRecords(c.Append), cloneRecords(c.Rewrite)
		c.Retire = slices.Clone(c.Retire)
		c.Add = slices.Clone(c.Add)
		for i := range c.Add {
			c.Add[i].Index, c.Add[i].Data = bytes.Clone(c.Add[i].Index), bytes.Clone(c.Add[i].Data)
		}
	}
	return changes
}

func cloneHead(h log.Head) log.Head {
	h.Data = bytes.Clone(h.Data)
	if h.Last != nil {
		last := cloneRecords([]log.Record{*h.Last})[0]
		h.Last = &last
	}
	return h
}

func cloneRecords(recs []log.Record) []log.Record {
	recs = slices.Clone(recs)
	for i := range recs {
		recs[i].Header, recs[i].State = bytes.Clone(recs[i].Header), bytes.Clone(recs[i].State)
	}
	return recs
}

package drivertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// apart is how far the recencies of records lie apart.
const apart = 1000

// head makes the row of a run whose records are tail to last. It is a little more
// recent than the last of them. The fields that a backend must ignore are wrong.
func head(tail, last uint64) *driver.Head {
	data := fmt.Appendf(nil, `{"last":%d}`, last)
	return &driver.Head{
		Run: "ignored", Revision: 1 << 40, Place: 77, Class: 9, Last: &driver.Record{Seq: 99}, Tip: &driver.Record{Seq: 98},
		Life: [16]byte{0: 1, 7: 0xff, 15: 9}, Suite: 3,
		Recency: last*apart + apart - 1, Tail: tail, Sum: crc32.ChecksumIEEE(data), Data: data,
	}
}

// headOf is what must be read of a run that has this row and whose tail has these
// records. Its class is 0, and its place is left open.
func headOf(id string, revision uint64, row *driver.Head, tail []driver.Record) driver.Head {
	h := *row
	h.Run, h.Revision, h.Class, h.Place, h.Last, h.Tip = id, revision, 0, 0, nil, nil
	if n := len(tail); n > 0 {
		last := tail[n-1]
		last.StateLen, last.State = int64(len(last.State)), nil
		h.Last, h.Recency = &last, max(h.Recency, last.Recency)
	}
	return h
}

// lastOf returns the seq of a run's last event, 0 if it has none.
func lastOf(h driver.Head) uint64 {
	if h.Last != nil {
		return h.Last.Seq
	}
	return max(h.Tail, 1) - 1
}

// record makes a record that differs from those of other seqs in every field, and from
// those of other tags in every field that can change when it is rewritten.
func record(seq uint64, tag string) driver.Record {
	text, _ := json.Marshal(tag) // a string can always be written
	header := fmt.Appendf(nil, `{"seq": %d, "tag": %s}`, seq, text)
	hash := sha256.Sum256(header)
	recoverable := seq - min(seq, uint64(hash[4]%8))
	return driver.Record{
		Seq: seq, Recency: seq*apart + seq*7%apart, Flags: driver.Flags(hash[3]), Encoding: driver.Plain + driver.Encoding(seq%4),
		Base: seq / 2, Links: uint32(seq % 100), Recoverable: recoverable, Tip: seq - min(seq, uint64(hash[5]%4)), Since: recoverable - recoverable/3,
		Bytes: int64(seq)<<20 + int64(hash[1]), Stored: int64(seq)<<10 + int64(hash[2]),
		Sum: crc32.ChecksumIEEE(header), Hash: driver.Digest(hash), StateHash: sha256.Sum256(hash[:]),
		Header: header, State: fmt.Appendf(nil, "state %d of %s %x", seq, tag, hash[:seq%32]),
		StateLen: -1, // to be ignored
	}
}

func records(from, to uint64, tag string) []driver.Record {
	var recs []driver.Record
	for seq := from; seq <= to; seq++ {
		recs = append(recs, record(seq, tag))
	}
	return recs
}

func segment(first, last uint64, tag string) driver.Segment {
	index, data := fmt.Appendf(nil, "\xfeindex of %d to %d of %s", first, last, tag), fmt.Appendf(nil, "\x00events %d to %d of %s\xff", first, last, tag)
	return driver.Segment{First: first, Last: last, Size: int64(len(index) + len(data)), Index: index, Data: data}
}

// numbered returns segments with the ids that they were given, as far as there are any.
func numbered(segs []driver.Segment, added []uint64) []driver.Segment {
	segs = slices.Clone(segs)
	for i := range min(len(segs), len(added)) {
		segs[i].ID = added[i]
	}
	return segs
}

// entry makes an entry.
func entry(key, value string) driver.Entry {
	return driver.Entry{Key: []byte(key), Value: []byte(value)}
}

// only is the range of one key.
func only(key string) driver.EntryRange {
	return driver.EntryRange{From: []byte(key), To: []byte(key + "\x00")}
}

// retiring names segments as Change.Retire does.
func retiring(segs ...driver.Segment) []driver.Segment {
	out := make([]driver.Segment, len(segs))
	for i, s := range segs {
		out[i] = driver.Segment{ID: s.ID, First: s.First}
	}
	return out
}

// class returns a class for a change or a request.
func class(n uint8) *uint8 { return &n }

// noise returns n bytes of all values that don't compress.
func noise(n int) []byte {
	out := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(out) // never fails
	return out
}

// page is what a request must return of a run's records.
func page(recs []driver.Record, req driver.RecordsRequest) []driver.Record {
	recs = slices.Clone(recs)
	if req.Reverse {
		slices.Reverse(recs)
	}
	var out []driver.Record
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
		"'", "''", `"`, "`", "a'; DROP TABLE runs; --", "?1", ":a", "$a", "\ufffd", "\uffff", "\U0001F600", "\U0001F600\x00notes", "\U0010FFFF", "\U0010FFFFa", "\x7f", "~",
		strings.Repeat("x", driver.MaxRunID), strings.Repeat("x", driver.MaxRunID-1), strings.Repeat("x", driver.MaxRunID-1) + "y",
		strings.Repeat("é", driver.MaxRunID/2),
	}
}

// cloneChanges copies changes and all that they refer to.
func cloneChanges(changes []driver.Change) []driver.Change {
	changes = slices.Clone(changes)
	for i := range changes {
		c := &changes[i]
		if c.Head != nil {
			h := cloneHead(*c.Head)
			c.Head = &h
		}
		if c.Class != nil {
			class := *c.Class
			c.Class = &class
		}
		c.Append, c.Rewrite = cloneRecords(c.Append), cloneRecords(c.Rewrite)
		c.Add, c.Retire = cloneSegments(c.Add), cloneSegments(c.Retire)
		c.Put = cloneEntries(c.Put)
		c.Remove = slices.Clone(c.Remove)
		for i, r := range c.Remove {
			c.Remove[i] = driver.EntryRange{From: bytes.Clone(r.From), To: bytes.Clone(r.To)}
		}
	}
	return changes
}

func cloneHead(h driver.Head) driver.Head {
	h.Data = bytes.Clone(h.Data)
	for _, r := range []**driver.Record{&h.Last, &h.Tip} {
		if *r != nil {
			c := cloneRecords([]driver.Record{**r})[0]
			*r = &c
		}
	}
	return h
}

func cloneRecords(recs []driver.Record) []driver.Record {
	recs = slices.Clone(recs)
	for i := range recs {
		recs[i].Header, recs[i].State = bytes.Clone(recs[i].Header), bytes.Clone(recs[i].State)
	}
	return recs
}

func cloneSegments(segs []driver.Segment) []driver.Segment {
	segs = slices.Clone(segs)
	for i := range segs {
		segs[i].Index, segs[i].Data = bytes.Clone(segs[i].Index), bytes.Clone(segs[i].Data)
	}
	return segs
}

func cloneEntries(entries []driver.Entry) []driver.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Key, entries[i].Value = bytes.Clone(entries[i].Key), bytes.Clone(entries[i].Value)
	}
	return entries
}

package segment_test

import (
	"bytes"
	"testing"

	"github.com/flowlog/checkpoint/log/segment"
)

func benchRun(b *testing.B) (c *segment.Codec, r run, logical int64) {
	c = newCodec(b, segment.Options{})
	r = transcript(256, 2)
	for _, it := range r.items {
		logical += int64(len(it.payload))
	}
	b.ReportAllocs()
	return c, r, logical
}

func BenchmarkWrite(b *testing.B) {
	c, r, n := benchRun(b)
	b.SetBytes(n)
	for b.Loop() {
		if _, _, err := r.write(c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteIndex is of 256 events without payloads.
func BenchmarkWriteIndex(b *testing.B) {
	c, r, _ := benchRun(b)
	for k := range r.items {
		r.items[k].payload = nil
	}
	for b.Loop() {
		if _, _, err := r.write(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseIndex(b *testing.B) {
	c, r, _ := benchRun(b)
	index, _ := mustWrite(b, c, r)
	b.SetBytes(int64(len(index)))
	for b.Loop() {
		if _, err := c.ParseIndex(index); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads all payloads, index included.
func BenchmarkRead(b *testing.B) {
	c, r, n := benchRun(b)
	index, data := mustWrite(b, c, r)
	b.SetBytes(n)
	for b.Loop() {
		x, err := c.ParseIndex(index)
		if err != nil {
			b.Fatal(err)
		}
		rd, err := c.NewReader(x, data)
		if err != nil {
			b.Fatal(err)
		}
		for _, it := range r.items {
			if p, err := rd.Payload(it.Seq); err != nil || !bytes.Equal(p, it.payload) {
				b.Fatal(it.Seq, err)
			}
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	c, r, n := benchRun(b)
	index, data := mustWrite(b, c, r)
	x, err := c.ParseIndex(index)
	if err != nil {
		b.Fatal(err)
	}
	rd, err := c.NewReader(x, data)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(n)
	for b.Loop() {
		if err := rd.Check(); err != nil {
			b.Fatal(err)
		}
	}
}

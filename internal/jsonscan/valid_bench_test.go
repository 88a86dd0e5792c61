package jsonscan

import (
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/flowlog/checkpoint/bench/workload"
)

// BenchmarkValid compares ways to check an agent's state of 0.7 MB.
func BenchmarkValid(b *testing.B) {
	var state []byte
	for _, s := range workload.Transcript(200, 1) {
		state = s
	}
	for _, way := range []struct {
		name  string
		valid func([]byte) bool
	}{
		{"by=ours", Valid},
		{"by=jsontext", func(s []byte) bool {
			return jsontext.Value(s).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		}},
		{"by=encoding-json", json.Valid},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(int64(len(state)))
			for b.Loop() {
				if !way.valid(state) {
					b.Fatal("it is JSON")
				}
			}
		})
	}
}

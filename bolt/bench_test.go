package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// BenchmarkAppend appends an event to each of some runs in one commit.
func BenchmarkAppend(b *testing.B) {
	for _, runs := range []int{1, 16, 64} {
		for _, size := range []int{500, 100_000} {
			b.Run(fmt.Sprintf("runs=%d/bytes=%d", runs, size), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "x.db")
				s, err := bolt.Open(path, bolt.Options{})
				require.NoError(b, err)
				defer s.Close()
				changes := make([]driver.Change, runs)
				for i := range changes {
					id := fmt.Sprint("run-", i)
					changes[i] = driver.Change{Run: id, Head: row(1), Append: records(id, 1, 1, size)}
				}
				for n := 0; b.Loop(); n++ {
					results, err := s.Apply(context.Background(), request(changes...))
					require.NoError(b, err)
					for i, res := range results {
						require.NoError(b, res.Err)
						c := &changes[i]
						c.Revision, c.Head, c.Append[0].Seq = res.Revision, nil, c.Append[0].Seq+1
					}
				}
				used, free, err := s.Space(context.Background())
				require.NoError(b, err)
				b.ReportMetric(float64(used-free)/float64(b.N*runs), "disk-B/event")
			})
		}
	}
}

// BenchmarkReclaim copies what is left of a file of which half was dropped.
func BenchmarkReclaim(b *testing.B) {
	for _, size := range []int{500, 20_000} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			ctx := context.Background()
			left := int64(0)
			for b.Loop() {
				b.StopTimer()
				s, err := bolt.Open(filepath.Join(b.TempDir(), "x.db"), bolt.Options{Durability: driver.Off})
				require.NoError(b, err)
				for i := range 20 {
					id := fmt.Sprint("run-", i)
					c := driver.Change{Run: id, Head: row(1), Append: records(id, 1, uint64(10_000_000/size), size)}
					results, err := s.Apply(ctx, request(c))
					require.NoError(b, err)
					if i%2 == 0 {
						_, err = s.Apply(ctx, request(driver.Change{Run: id, Revision: results[0].Revision, Drop: true}))
						require.NoError(b, err)
					}
				}
				for more := true; more; {
					res, err := s.Purge(ctx, driver.PurgeRequest{})
					require.NoError(b, err)
					more = res.More
				}
				b.StartTimer()
				_, err = s.Reclaim(ctx, nil)
				require.NoError(b, err)
				b.StopTimer()
				left, _, err = s.Space(ctx)
				require.NoError(b, err)
				require.NoError(b, s.Close())
				b.StartTimer()
			}
			b.SetBytes(left)
		})
	}
}

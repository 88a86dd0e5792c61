package checkpoint_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
)

// hookedBackend calls before each reading of a head.
type hookedBackend struct {
	driver.Backend
	before func(run string)
}

func (b *hookedBackend) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	b.before(req.Run)
	return b.Backend.Head(ctx, req)
}

// TestTruncatedWhileItIsTraced: the event that somebody asks about is dropped, with its
// header, at any moment while its lineage is being read: he gets what there was, or an
// error that says so.
func TestTruncatedWhileItIsTraced(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(s *checkpoint.EventStore) (events int, err error){
		"Lineage": func(s *checkpoint.EventStore) (n int, err error) {
			for ev, err := range s.Lineage(t.Context(), "run", 3, checkpoint.LineageOptions{}) {
				if err != nil {
					return n, err
				}
				require.NotNil(t, ev)
				n++
			}
			return n, nil
		},
		"Lineage of a fork": func(s *checkpoint.EventStore) (n int, err error) {
			for ev, err := range s.Lineage(t.Context(), "fork", 1, checkpoint.LineageOptions{}) {
				if err != nil {
					return n, err
				}
				require.NotNil(t, ev)
				n++
			}
			return n, nil
		},
		"Blame": func(s *checkpoint.EventStore) (int, error) {
			p, err := s.Blame(t.Context(), "run", 3, "")
			if err == nil {
				require.NotNil(t, p)
				return 1, nil
			}
			return 0, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answered, refused := 0, 0
			for at := 1; ; at++ { // the reading of a head before which it happens
				b := memory.New()
				other, err := checkpoint.Open(keptBackend{b}, checkpoint.WithoutCompaction())
				require.NoError(t, err)
				for range 5 {
					saved(t, other, "run", "node", `1`)
				}
				_, err = other.Fork(t.Context(), "run", 3, "fork")
				require.NoError(t, err)
				n := 0
				s, err := checkpoint.Open(&hookedBackend{Backend: b, before: func(run string) {
					if n++; n == at {
						_, err := other.TruncateFront(t.Context(), "run", 5, "test")
						require.NoError(t, err)
					}
				}}, checkpoint.WithoutCompaction())
				require.NoError(t, err)
				events, err := ask(s)
				if err != nil {
					require.ErrorIs(t, err, checkpoint.ErrNotFound)
					refused++
				} else {
					require.Positive(t, events)
					answered++
				}
				require.NoError(t, s.Close())
				if n < at {
					break
				}
			}
			require.Positive(t, answered)
			require.Positive(t, refused)
		})
	}
}

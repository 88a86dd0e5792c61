package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/statediff"
)

// cancelled counts how often it is asked, and is cancelled from the nth time on.
type cancelled struct {
	context.Context
	asked, from int
}

func (c *cancelled) Err() error {
	if c.asked++; c.asked >= c.from {
		return context.Canceled
	}
	return nil
}

// TestListingPathsEndsWhenItIsInterrupted holds that of many values no more are listed
// once nobody wants them, wherever that is noticed.
func TestListingPathsEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	value := []byte("[" + strings.Repeat("1,", 5*listPace) + "1]")
	doc, err := statediff.Parse(value)
	require.NoError(t, err)
	for _, f := range []format{formatText, formatJSON, formatJSONL} {
		whole, ctx := listed(t, value, f, &cancelled{t.Context(), 0, 1 << 30})
		require.Greater(t, ctx.asked, 10)
		lines := strings.Count(whole, "\n")
		require.Greater(t, lines, 5*listPace)
		for from := 1; from <= ctx.asked; from++ {
			part, at := listed(t, value, f, &cancelled{t.Context(), 0, from})
			require.Equal(t, from+1, at.asked) // once more, for what it returns
			require.Less(t, len(part), len(whole))
			require.True(t, strings.HasPrefix(whole, part))
		}
	}
	for from := 1; from <= 5; from++ {
		_, err := largestPaths(&cancelled{t.Context(), 0, from}, doc, 0)
		require.ErrorIs(t, err, context.Canceled)
	}
}

// listed returns what show --paths writes of a value until it is interrupted.
func listed(t *testing.T, value []byte, f format, ctx *cancelled) (string, *cancelled) {
	t.Helper()
	var out strings.Builder
	s, err := newScreen(nil, &out, "never")
	require.NoError(t, err)
	err = (&cli{out: s}).writePaths(ctx, value, "", f)
	if ctx.asked >= ctx.from {
		require.ErrorIs(t, err, context.Canceled)
	} else {
		require.NoError(t, err)
	}
	require.NoError(t, s.flush())
	return out.String(), ctx
}

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlips(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"plan", "plan", 0}, {"", "plan", 4}, {"plan", "", 4},
		{"plan", "plans", 1}, {"plan", "pan", 1}, {"plan", "plum", 2}, {"plna", "plan", 1},
		{"größe", "grösse", 2}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		require.Equal(t, c.want, slips(c.a, c.b), c)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"plan", "plane", "write", "review", "x", "a-very-long-name-of-a-node"}
	for name, want := range map[string][]string{
		"plna": {"plan"}, "PLAN": {"plan", "plane"}, "plan": {"plane"}, "wrte": {"write"}, "rev": {"review"}, "reveiw": {"review"},
		"y": nil, "": nil, "nothing": nil, "a-very": {"a-very-long-name-of-a-node"},
	} {
		require.Equal(t, want, nearest(name, names), name)
	}
}

func TestNearestGivesTheNearestThree(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"planx", "play", "plaza"}, nearest("plant", []string{"play", "plaza", "planx", "player"}))
	require.Equal(t, "; did you mean a or b? ", didYouMean([]string{"a", "b"}))
	require.Equal(t, "; ", didYouMean(nil))
}

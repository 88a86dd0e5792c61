package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAsJSON(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"03": "3", "+3": "3", "3.": "3", ".5": "0.5", "-.5": "-0.5", "-007.50": "-7.50", "00": "0", "+0e3": "0e3", "00000000000000000000123456789012345678901": "123456789012345678901",
		"True": "true", "FALSE": "false", "None": "null", "nil": "null",
	} {
		have, ok := asJSON(value)
		require.True(t, ok, value)
		require.Equal(t, want, have, value)
	}
	for _, value := range []string{"", ".", "-", "+", "e", ".e", "x", "1,5", "0x10", "1e", "--3", "2024-01-01", "1_000", "nullable"} {
		_, ok := asJSON(value)
		require.False(t, ok, value)
	}
}

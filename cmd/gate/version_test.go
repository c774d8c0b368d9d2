package main

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	out, _, status, err := runGate(t, "", "version")
	require.NoError(t, err)
	assert.Zero(t, status)
	assert.Regexp(t, `^gate `+version+`\ncommit .+\n`+runtime.Version()+` \w+/\w+\nTemporal SDK .+\n$`,
		out)

	out, _, _, err = runGate(t, "", "version", "--json")
	require.NoError(t, err)
	var got build
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.Equal(t, readBuild(), got)
	assert.Equal(t, runtime.Version(), got.Go)
}

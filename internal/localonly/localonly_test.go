package localonly_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"error-check-gate/internal/localonly"
)

func TestHostNamesThisMachine(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost:5010": true, "127.0.0.1": true, "127.0.0.1:80": true,
		"127.9.9.9:80": true, "[::1]:80": true, "[::1]": true,
		"": false, "example.com": false, "localhost.example.com:5010": false, "127.0.0.1.nip.io": false,
		"0.0.0.0:80": false, "192.0.2.1": false,
	} {
		assert.Equal(t, want, localonly.Host(host), host)
	}
}

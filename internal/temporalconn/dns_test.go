package temporalconn_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"error-check-gate/internal/dev/temporalserver"
	"error-check-gate/internal/temporalconn"
)

// dockerDNS returns a resolver that behaves like Docker's name server while the machine's own is
// silent: it knows the addresses of containers, and never answers other queries.
func dockerDNS(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // Close ends it
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	go func() {
		buffer := make([]byte, 512)
		for {
			n, client, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			var message dnsmessage.Message
			if message.Unpack(buffer[:n]) != nil {
				continue
			}
			question := message.Questions[0]
			header := dnsmessage.ResourceHeader{
				Name:  question.Name,
				Type:  question.Type,
				Class: question.Class,
			}
			switch question.Type {
			case dnsmessage.TypeA:
				message.Answers = []dnsmessage.Resource{
					{Header: header, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}},
				}
			case dnsmessage.TypeAAAA:
			default:
				continue
			}
			message.Response, message.Additionals = true, nil
			answer, err := message.Pack()
			if err == nil {
				_, err = server.WriteTo(answer, client)
			}
			assert.NoError(t, err)
		}
	}()
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
		},
	}
}

func TestSilentNameServer(t *testing.T) {
	server, err := temporalserver.Start(t.Context(), temporalserver.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	_, port, err := net.SplitHostPort(server.Addr)
	require.NoError(t, err)
	system := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = system })
	net.DefaultResolver = dockerDNS(t)
	c, err := temporalconn.Dial(t.Context(), temporalconn.Options{Address: "temporal.example:" + port})
	require.NoError(t, err)
	c.Close()
}

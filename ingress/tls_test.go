package ingress

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"error-check-gate/internal/edge"
	"error-check-gate/internal/reload"
	"error-check-gate/internal/testkit"
)

// TestTLSReload checks that new connections get a replaced certificate, and that an invalid one
// changes nothing.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeCertificate(t, certFile, keyFile, "first.example")
	clock := testkit.NewClock()
	ts := startServer(t, &fakeTemporal{},
		withOptions(func(o *Options) { o.TLSCertFile, o.TLSKeyFile = certFile, keyFile }),
		withServer(func(s *Server) {
			var err error
			s.certificate, err = edge.OpenCertificate(certFile, keyFile, s.logger, clock.Now)
			require.NoError(t, err)
		}))
	serving := func() string {
		dialer := &tls.Dialer{Config: &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // the test looks at the certificate
			NextProtos:         []string{"h2", "http/1.1"},
		}}
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
		require.NoError(t, err)
		defer func() { assert.NoError(t, conn.Close()) }()
		state := conn.(*tls.Conn).ConnectionState()
		assert.Equal(t, "h2", state.NegotiatedProtocol)
		return state.PeerCertificates[0].Subject.CommonName
	}
	// A connection gets the previous certificate while reading the files takes long.
	becomes := func(name string) {
		t.Helper()
		require.Eventually(t, func() bool { return serving() == name }, generous, time.Millisecond)
	}
	require.Equal(t, "first.example", serving())

	writeCertificate(t, certFile, keyFile, "second.example")
	clock.Advance(reload.Interval)
	becomes("second.example")

	writeCertificate(t, certFile, filepath.Join(dir, "other.key"), "third.example")
	clock.Advance(reload.Interval)
	require.Eventually(t, func() bool {
		assert.Equal(t, "second.example", serving(), "the new certificate doesn't match the key")
		return strings.Contains(ts.log.String(), "files are invalid")
	}, generous, time.Millisecond)
	require.NoError(t, os.Rename(filepath.Join(dir, "other.key"), keyFile))
	clock.Advance(reload.Interval)
	becomes("third.example")

	old := &tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, //nolint:gosec // must be refused
	}}
	_, err := old.DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
	require.Error(t, err)
}

// TestHTTP2 checks deliveries over HTTP/2, and that a client that resets thousands of requests
// gains nothing by it.
func TestHTTP2(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeCertificate(t, certFile, keyFile, "gate.example")
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.TLSCertFile, o.TLSKeyFile, o.MaxConnections, o.PeerMaxConnections = certFile, keyFile, 10, 10
	}))
	unchecked := &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the certificate is the test's own
		NextProtos:         []string{"h2"},
	}
	dialer := &tls.Dialer{Config: unchecked}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(generous)))
	_, err = conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())

	// Reset thousands of requests right away. The server must close the connection or keep up.
	reset := make(chan struct{})
	go func() {
		defer close(reset)
		var block strings.Builder
		encoder := hpack.NewEncoder(&block)
		for _, field := range [][2]string{
			{":method", "POST"}, {":scheme", "https"}, {":path", webhookPath}, {":authority", "gate"},
		} {
			_ = encoder.WriteField(
				hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true})
		}
		for stream := uint32(1); stream < 20_000; stream += 2 {
			if framer.WriteHeaders(
				http2.HeadersFrameParam{
					StreamID:      stream,
					BlockFragment: []byte(block.String()),
					EndHeaders:    true,
				},
			) != nil ||
				framer.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
				return
			}
		}
		_ = conn.Close()
	}()
	var streams uint32
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			break
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
			streams, ok = settings.Value(http2.SettingMaxConcurrentStreams)
			require.True(t, ok)
		}
	}
	<-reset
	assert.EqualValues(t, maxStreams, streams)

	transport := &http.Transport{TLSClientConfig: unchecked, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	body := documentedBody(orderID)
	r := ts.webhookRequest(t, body)
	r.URL.Scheme = "https"
	response, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, 2, response.ProtoMajor)
	_, verified := ts.server.connections.Count()
	assert.Equal(t, 1, verified, "the connection of the delivery is marked")
}

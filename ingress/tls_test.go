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
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/reload"
)

// TestTLSReload: a certificate that is replaced serves the connections after it; one
// that cannot be used does not.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeCertificate(t, certFile, keyFile, "first.example")
	clock := newClock()
	ts := startServer(t, &fakeTemporal{},
		withOptions(func(o *Options) { o.TLSCertFile, o.TLSKeyFile = certFile, keyFile }),
		withServer(func(s *Server) {
			var err error
			s.certificate, err = edge.OpenCertificate(certFile, keyFile, s.logger, clock.now)
			require.NoError(t, err)
		}))
	serving := func() string {
		dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}} //nolint:gosec // the certificate is looked at below
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
		require.NoError(t, err)
		defer func() { assert.NoError(t, conn.Close()) }()
		state := conn.(*tls.Conn).ConnectionState()
		assert.Equal(t, "h2", state.NegotiatedProtocol)
		return state.PeerCertificates[0].Subject.CommonName
	}
	require.Equal(t, "first.example", serving())

	writeCertificate(t, certFile, keyFile, "second.example")
	clock.step(reload.Interval)
	require.Equal(t, "second.example", serving())

	writeCertificate(t, certFile, filepath.Join(dir, "other.key"), "third.example")
	clock.step(reload.Interval)
	require.Equal(t, "second.example", serving(), "a certificate without its key")
	assert.Contains(t, ts.log.String(), "files are invalid")
	require.NoError(t, os.Rename(filepath.Join(dir, "other.key"), keyFile))
	clock.step(reload.Interval)
	require.Equal(t, "third.example", serving())

	old := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}} //nolint:gosec // to be refused
	_, err := old.DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
	require.Error(t, err)
}

// TestHTTP2 is what a sender of HTTP/2 gets, and what one that resets its requests as soon as it
// made them does not.
func TestHTTP2(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writeCertificate(t, certFile, keyFile, "gate.example")
	ts := startServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
		o.TLSCertFile, o.TLSKeyFile, o.MaxConnections, o.PeerMaxConnections = certFile, keyFile, 10, 10
	}))
	unchecked := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}} //nolint:gosec // the certificate is the test's own
	conn, err := (&tls.Dialer{Config: unchecked}).DialContext(t.Context(), "tcp", strings.TrimPrefix(ts.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(generous)))
	_, err = conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())

	// Thousands of requests that are taken back at once: the server parts, or keeps up.
	reset := make(chan struct{})
	go func() {
		defer close(reset)
		var block strings.Builder
		encoder := hpack.NewEncoder(&block)
		for _, field := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":path", webhookPath}, {":authority", "gate"}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true})
		}
		for stream := uint32(1); stream < 20_000; stream += 2 {
			if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(block.String()), EndHeaders: true}) != nil ||
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

	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true} //nolint:gosec // as above
	defer transport.CloseIdleConnections()
	body := documentedBody(orderID)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(ts.url, "http:", "https:", 1)+webhookPath, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set(inflow.SignatureHeader, sign(t, firstSecret, body))
	response, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, 2, response.ProtoMajor)
	_, verified := ts.server.connections.Count()
	assert.Equal(t, 1, verified, "the connection of the delivery is marked")
}

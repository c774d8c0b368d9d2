package main

import (
	"context"

	"github.com/spf13/cobra"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/config"
)

func newCodecCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "codec",
		Short: "Run the codec server, which decrypts for the Web UI and the temporal CLI",
		Long: `Run a codec server. If you set PAYLOAD_KEYS, Temporal stores orders encrypted, and
its Web UI and the temporal CLI need this server to decrypt them.

Set PAYLOAD_KEYS or PAYLOAD_KEYS_FILE as for ingress and worker. The server
listens on CODEC_LISTEN_ADDR (127.0.0.1:5020). Whoever can reach it can decrypt
every order, so set CODEC_TOKEN if other machines can. Pages of TEMPORAL_UI_URL and
CODEC_ALLOWED_ORIGINS may send requests from a browser. For TLS, set TLS_CERT_FILE
and TLS_KEY_FILE, or put a proxy in front.`,
		Example: `  gate codec
  temporal workflow show --workflow-id sales-order-ID --codec-endpoint http://127.0.0.1:5020
  temporal workflow show --workflow-id sales-order-ID --codec-endpoint https://codec.example.com --codec-auth "Bearer TOKEN"`,
		Args: exactArgs(0, "gate codec takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.LoadCodec(config.OS())
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return runCodec(cmd.Context(), settings)
		},
	}
}

func runCodec(ctx context.Context, settings config.Codec) error {
	t, stop, err := startTelemetry(ctx, "gate-codec", settings.Log)
	if err != nil {
		return err
	}
	defer stop()
	listener, err := listen(ctx, "CODEC_LISTEN_ADDR", settings.CodecListenAddr)
	if err != nil {
		return err
	}
	t.Logger.InfoContext(ctx, "the process starts", "version", version,
		"address", listener.Addr().String(), "keys", settings.Keys())
	options := settings.Options()
	options.Logger = t.Logger
	server := codec.NewServer(options)
	if err := server.Serve(ctx, listener); err != nil {
		return err
	}
	t.Logger.InfoContext(ctx, "the process has stopped")
	return nil
}

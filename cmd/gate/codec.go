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
		Long: `Run a codec server: with PAYLOAD_KEYS, Temporal holds orders encrypted, and its Web
UI and the temporal CLI ask here for what they mean.

Needs PAYLOAD_KEYS or PAYLOAD_KEYS_FILE, as ingress and worker have them. It
listens on CODEC_LISTEN_ADDR (127.0.0.1:5020). Who can ask it can read every
order that he can get from Temporal: on an address that other machines reach, it
needs CODEC_TOKEN. Pages of TEMPORAL_UI_URL and CODEC_ALLOWED_ORIGINS may ask from
a browser. TLS_CERT_FILE and TLS_KEY_FILE, or a proxy in front, for TLS.`,
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
	t.Logger.InfoContext(ctx, "starts", "version", version, "address", listener.Addr().String(), "keys", settings.Keys())
	options := settings.Options()
	options.Logger = t.Logger
	server := codec.NewServer(options)
	if err := server.Serve(ctx, listener); err != nil {
		return err
	}
	t.Logger.InfoContext(ctx, "has stopped")
	return nil
}

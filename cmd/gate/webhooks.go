package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/internal/config"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/nowait"
)

const (
	defaultWebhookURL = "http://127.0.0.1:5000/webhook/inflow"
	// maxWebhookFile is the longest body that is read, in bytes. The gate accepts 256 KiB.
	maxWebhookFile = 16 << 20
)

const secretsHelp = `
The secret is read from WEBHOOK_SECRET, or from the file that WEBHOOK_SECRET_FILE
names. There is no flag for it: every user of a machine can read the arguments
of its commands.`

func newWebhooksCommand() *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "webhooks",
		Short: "Subscribe to InFlow's webhooks; send, sign and verify them",
		Long: `InFlow reports a changed sales order with a webhook: a POST of JSON, with a
signature in the header ` + inflow.SignatureHeader + `. The signature is the
base64 of HMAC-SHA256 over the raw body, keyed with the subscription's secret.

list, get, subscribe, unsubscribe and rotate manage the account's subscriptions at
InFlow. send and sign make a delivery by hand, and verify says why one was refused.
` + secretsHelp + `

Exit status: 0 done, accepted, signed or verified, 1 not.`,
	}, exitFault)
	flagErrors(cmd, exitFault)
	cmd.AddCommand(newSubscriptionCommands()...)
	cmd.AddCommand(newWebhooksSendCommand(), newWebhooksSignCommand(), newWebhooksVerifyCommand())
	return cmd
}

// sendFlags holds the flags of 'gate webhooks send'.
type sendFlags struct{ target, event, form string }

func newWebhooksSendCommand() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send ID",
		Short: "Send a signed delivery for one sales order",
		Long: `Make a webhook for one sales order, sign it, and post it to a gate, as InFlow
would. ID is the order's number, such as SO-001051, or InFlow's id of the order:
the last part of its address, https://app.inflowinventory.com/sales-orders/ID. The
command looks up a number in Temporal's list of runs (TEMPORAL_ADDRESS, …), then at
InFlow, if INFLOW_COMPANY_ID and INFLOW_API_KEY are set.

The gate then fetches that order from InFlow and checks it. If there are several
secrets, the first one signs.
` + secretsHelp + `

Exit status: 0 the gate answered 2xx, 1 it did not.`,
		Example: `  WEBHOOK_SECRET_FILE=secret.txt gate webhooks send 8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11
  gate webhooks send SO-001051 --url https://gate.example.com/webhook/inflow
  gate webhooks send 8a3c6d4e-71c2-4d0a-9f53-2d6f0c1e7b11 --form live --event SalesOrderCreatedV1`,
		Args: oneArg("gate webhooks send needs one argument, the id or the number of a sales order"),
		RunE: func(cmd *cobra.Command, args []string) error { return sendWebhook(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.target, "url", defaultWebhookURL,
		"the address at which the gate receives webhooks")
	flags.StringVar(&f.event, "event", "", `InFlow's name of what happened `+
		`(default "salesOrder.updated", or "SalesOrderUpdatedV1" with --form live)`)
	flags.StringVar(&f.form, "form", string(inflow.FormDocumented),
		"form of the body: documented, or live, as InFlow's service was seen to send")
	return cmd
}

func sendWebhook(cmd *cobra.Command, order string, f sendFlags) error {
	keys, err := signingKeys()
	if err != nil {
		return err
	}
	id, err := findOrderToSend(cmd.Context(), order)
	if err != nil {
		return err
	}
	form := inflow.PayloadForm(f.form)
	if f.event == "" {
		f.event = inflow.EventName(form, inflow.ActionUpdated)
	}
	body, err := inflow.NewWebhookBody(form, f.event, id, time.Now())
	if err != nil {
		return fmt.Errorf("--form: %w", err)
	}
	answer, err := inflow.PostWebhook(cmd.Context(), f.target, inflow.Sign(keys[0], body), body)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w\nis a gate listening there? "+
			"start one with 'gate ingress' or 'gate dev', or name its address with --url", err)
	}
	if err != nil {
		return err
	}
	return reportAnswer(cmd.OutOrStdout(), answer)
}

// reportAnswer prints an answer. If InFlow would not accept it, it returns an error that says what
// to do.
func reportAnswer(out io.Writer, answer *inflow.WebhookAnswer) error {
	status := strings.TrimSpace(
		fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode)))
	_, err := fmt.Fprintf(out, "%s, after %v\n%s\n",
		status, answer.Took.Round(time.Millisecond), onOneLine(string(answer.Body)))
	if err != nil || answer.Accepted() {
		return err
	}
	advice := ""
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		advice = ": that gate has another WEBHOOK_SECRET"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		advice = ": send webhooks to /webhook/inflow; see --url"
	case http.StatusTooManyRequests:
		advice = ": the gate is busy; try again"
	case http.StatusServiceUnavailable:
		advice = ": it could not hand the delivery to Temporal, and its log says why; " +
			"InFlow would send it again"
	}
	return fmt.Errorf("the delivery was not accepted%s", advice)
}

// onOneLine replaces control characters, so that an untrusted text cannot move the terminal's
// cursor.
func onOneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
}

func newWebhooksSignCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sign [FILE|-]",
		Short: "Print the signature of a body",
		Long: `Print the value of the header ` + inflow.SignatureHeader + ` for a body, byte
for byte as it is in FILE, or on standard input. A line break at the end counts:
'printf %s' writes none, 'echo' does. If there are several secrets, the first one
signs.
` + secretsHelp,
		Example: `  gate webhooks sign body.json
  curl http://127.0.0.1:5000/webhook/inflow --data-binary @body.json \
    -H 'Content-Type: application/json' \
    -H "` + inflow.SignatureHeader + `: $(gate webhooks sign body.json)"`,
		Args: atMostOneArg("gate webhooks sign takes one file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := signingKeys()
			if err != nil {
				return err
			}
			body, err := readBody(cmd.Context(), cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), inflow.Sign(keys[0], body))
			return err
		},
	}
}

func newWebhooksVerifyCommand() *cobra.Command {
	var signatures []string
	var explain, whole bool
	cmd := &cobra.Command{
		Use:   "verify [FILE|-] --signature S",
		Short: "Verify a body's signature, and say why it is wrong",
		Long: `Verify a signature as the gate does. The body is read byte for byte from FILE, or
from standard input. Save it as it arrived, before anything parses it.
--signature is the value of the header ` + inflow.SignatureHeader + `. Repeat it if the
request has two.

With --request, FILE is a whole captured request with its headers, and --signature is
not needed.

--explain looks for the usual mistakes: another encoding of the signature, another
reading of the secret, a body that was changed on its way.
` + secretsHelp + `

Exit status: 0 the signature verifies, 1 it does not.`,
		Example: `  gate webhooks verify body.json --signature "$SIGNATURE"
  gate webhooks verify body.json --signature "$SIGNATURE" --explain
  gate webhooks verify - --signature "$SIGNATURE" < body.json
  gate webhooks verify --request request.http --explain`,
		Args: atMostOneArg("gate webhooks verify takes one file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case whole && len(signatures) > 0:
				return errors.New("gate webhooks verify: --request has the signature: leave --signature out")
			case !whole && len(signatures) == 0:
				return errors.New("gate webhooks verify needs --signature, the value of the header " +
					inflow.SignatureHeader + ", or --request")
			}
			keys, err := signingKeys()
			if err != nil {
				return err
			}
			body, err := readBody(cmd.Context(), cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			if whole {
				if signatures, body, err = parseRequest(body); err != nil {
					return err
				}
			}
			return verifyWebhook(cmd.OutOrStdout(), keys, signatures, body, explain)
		},
	}
	cmd.Flags().StringArrayVar(&signatures, "signature", nil,
		"the signature to verify (required without --request)")
	cmd.Flags().BoolVar(&whole, "request", false, "FILE is a whole HTTP/1.1 request with its headers")
	cmd.Flags().BoolVar(&explain, "explain", false, "say why the signature is wrong, and what to do")
	return cmd
}

// parseRequest returns the signatures and the body of a captured HTTP/1.1 request.
func parseRequest(captured []byte) (signatures []string, body []byte, err error) {
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(captured)))
	if err != nil { // the error would quote the request
		return nil, nil, errors.New("the file is not an HTTP/1.1 request: it must have a line such as " +
			"'POST /webhook/inflow HTTP/1.1', then the headers, an empty line and the body")
	}
	body, err = io.ReadAll(request.Body)
	switch {
	case err != nil:
		return nil, nil, errors.New(
			"the request was not captured whole: its body is shorter than its headers say")
	case request.ContentLength == 0 && len(request.TransferEncoding) == 0:
		return nil, nil, errors.New(
			"the request has no body: its headers have neither Content-Length nor Transfer-Encoding")
	}
	return request.Header.Values(inflow.SignatureHeader), body, nil
}

func verifyWebhook(
	out io.Writer, keys []inflow.SigningKey, signatures []string, body []byte, explain bool,
) error {
	verifier, err := inflow.NewVerifier(keys)
	if err != nil {
		return err
	}
	index, err := verifier.Verify(signatures, body)
	if err == nil {
		text := fmt.Sprintf("valid: signed with secret %d of %d\n", index+1, len(keys))
		if explain {
			text += explainPayload(body) + "\n"
		}
		_, err = io.WriteString(out, text)
		return err
	}
	if !explain {
		return fmt.Errorf("invalid: %w; --explain says why", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "invalid: %s\n", err)
	for _, diagnosis := range inflow.Explain(keys, signatures, body) {
		fmt.Fprintf(&b, "\n- %s\n", diagnosis.Problem)
		if diagnosis.Remedy != "" {
			fmt.Fprintf(&b, "  → %s\n", diagnosis.Remedy)
		}
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	return &exitError{code: exitFault} // the output says why
}

// explainPayload says what the gate would do with a verified body.
func explainPayload(body []byte) string {
	webhook, err := inflow.ParseWebhook(body)
	switch {
	case err != nil:
		return fmt.Sprintf("the gate would refuse it with 400: %s", err)
	case webhook.IsSalesOrder():
		return fmt.Sprintf("the gate would check sales order %s, which was %s",
			webhook.SalesOrderID, webhook.Action)
	default:
		return fmt.Sprintf("the gate would ignore it: the event %q is not about a sales order",
			webhook.Event)
	}
}

// signingKeys returns the secrets that the environment sets, as for the ingress.
func signingKeys() ([]inflow.SigningKey, error) {
	settings, err := config.LoadWebhooks(config.OS())
	if err != nil {
		return nil, err
	}
	return settings.SigningKeys(), nil
}

// readSecretFile reads the secrets of a file that a setting or flag names.
func readSecretFile(setting, path string) ([]inflow.SigningKey, error) {
	content, err := nowait.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", setting, err)
	}
	keys, err := inflow.ParseSecretLines(content)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", setting, err)
	}
	return keys, nil
}

// readBody reads the file that args name, or stdin.
func readBody(ctx context.Context, stdin io.Reader, args []string) (body []byte, err error) {
	in, err := openInput(ctx, stdin, strings.Join(args, ""))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	body, err = io.ReadAll(io.LimitReader(in, maxWebhookFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if len(body) > maxWebhookFile {
		return nil, fmt.Errorf("read the body: it is over %d MiB, and the gate accepts 256 KiB",
			maxWebhookFile>>20)
	}
	return body, nil
}

// The contract of these commands has one exit status for everything that fails, so they don't use
// exactArgs.

func noWebhookArgs(cmd *cobra.Command, args []string) error {
	return countArgs(cmd.CommandPath()+" takes no arguments", 0)(cmd, args)
}

func oneArg(message string) cobra.PositionalArgs { return countArgs(message, 1) }

func atMostOneArg(message string) cobra.PositionalArgs { return countArgs(message, 0, 1) }

func countArgs(message string, counts ...int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if slices.Contains(counts, len(args)) {
			return nil
		}
		err := fmt.Errorf("%s; see '%s --help'", message, cmd.CommandPath())
		return &exitError{code: exitFault, err: err}
	}
}

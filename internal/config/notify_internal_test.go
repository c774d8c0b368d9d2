package config

import (
	"net/mail"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/notify"
)

// holder is a process that sends notices of held orders.
type holder struct {
	Hold
	Notify
	Warnings
}

func (h *holder) validate(f *Faults) {
	settings := orderSettings(Settle{}, h.Hold, h.Warnings)
	f.addAll(settings.Faults(), workerVariables)
	h.Notify.validate(f)
}

func loadHolder(variables ...string) (holder, error) { return load[holder](Environ(variables)) }

func TestNobodyGetsNoticesByDefault(t *testing.T) {
	got, err := loadHolder()
	require.NoError(t, err)
	assert.Equal(t, holder{
		Hold:   Hold{GracePeriod: 30 * time.Minute, HoldMax: 720 * time.Hour},
		Notify: Notify{MailServer: MailServer{SMTPTLS: "starttls"}, NoticesPerHour: 30},
	}, got)
	options := got.Options()
	assert.Equal(t, notify.Options{Location: time.Local}, options)
}

func TestSettingsOfNotices(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("hush\n"), 0o600))
	got, err := loadHolder(
		"GRACE_PERIOD=0", "HOLD_MAX=24h", "REMIND_EVERY=12h",
		"SMTP_ADDR=smtp.example.com:465", "SMTP_TLS=tls", "SMTP_USERNAME=gate",
		"SMTP_PASSWORD_FILE="+password,
		"MAIL_FROM=Error Check Gate <gate@example.com>",
		`MAIL_TO="Doe, Jane" <jane@example.com>, jim@example.com`,
		"NOTIFY_SALES_REP=true", "NOTIFY_REDIRECT=trial@example.com",
		"NOTIFY_URLS=https://hooks.example.com/token, "+
			"slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook",
	)
	require.NoError(t, err)
	assert.Equal(t, Hold{HoldMax: 24 * time.Hour, RemindEvery: 12 * time.Hour}, got.Hold)
	options := got.Options()
	require.Len(t, options.Destinations, 2)
	options.Destinations = nil
	assert.Equal(t, notify.Options{
		SMTP: notify.SMTP{
			Addr: "smtp.example.com:465", TLS: notify.TLSImplicit, Username: "gate", Password: "hush",
			From: mail.Address{Name: "Error Check Gate", Address: "gate@example.com"},
		},
		To: []mail.Address{{Name: "Doe, Jane", Address: "jane@example.com"},
			{Address: "jim@example.com"}},
		SalesRep: true,
		Redirect: mail.Address{Address: "trial@example.com"},
		Location: time.Local,
	}, options)
	_, err = notify.New(options)
	require.NoError(t, err)
}

func TestFaultsOfNotices(t *testing.T) {
	smtp := func(variables ...string) []string {
		return append([]string{"SMTP_ADDR=smtp.example.com:587", "MAIL_FROM=gate@example.com",
			"MAIL_TO=jane@example.com"}, variables...)
	}
	for _, test := range []struct {
		name      string
		variables []string
		want      []string
	}{
		{"grace", []string{"GRACE_PERIOD=-1s"},
			[]string{"GRACE_PERIOD: -1s is negative: write 0 or more"}},
		{"no unit", []string{"GRACE_PERIOD=30"},
			[]string{`GRACE_PERIOD: "30" is not valid: write a duration such as 30m`}},
		{"no hold", []string{"HOLD_MAX=0s"},
			[]string{"HOLD_MAX: 0s is too short: write how long an order is held, such as 720h"}},
		{"reminders", []string{"REMIND_EVERY=-1h"},
			[]string{"REMIND_EVERY: -1h0m0s is negative: write 0 or more"}},
		{"reminders without a pause", []string{"REMIND_EVERY=1ns"},
			[]string{
				"REMIND_EVERY: 1ns is too short for people: write 1m0s or more, or 0 for no reminders"}},
		{"no port", smtp("SMTP_ADDR=smtp.example.com"),
			[]string{
				`SMTP_ADDR: "smtp.example.com" is not the address of a mail server: write host:port, ` +
					`such as smtp.example.com:587`}},
		{"no host", smtp("SMTP_ADDR=:587"),
			[]string{
				`SMTP_ADDR: ":587" is not the address of a mail server: write host:port, ` +
					`such as smtp.example.com:587`}},
		{"wrong port", smtp("SMTP_ADDR=smtp.example.com:smtp"),
			[]string{`SMTP_ADDR: "smtp.example.com:smtp" has no valid port: write a port from 1 to 65535`}},
		{"mode", smtp("SMTP_TLS=ssl"),
			[]string{`SMTP_TLS: "ssl" is not a TLS mode: write none, starttls or tls`}},
		{"password in the clear", smtp("SMTP_TLS=none", "SMTP_USERNAME=gate", "SMTP_PASSWORD=hush"),
			[]string{
				"SMTP_TLS: is none, but the mail server is another machine: write starttls or tls, " +
					"so the password is encrypted on the way"}},
		{"user alone", smtp("SMTP_USERNAME=gate"),
			[]string{
				"SMTP_PASSWORD: is not set, but SMTP_USERNAME is: set both, " +
					"or neither if the mail server needs none"}},
		{"password alone", smtp("SMTP_PASSWORD=hush"),
			[]string{
				"SMTP_USERNAME: is not set, but SMTP_PASSWORD is: set both, " +
					"or neither if the mail server needs none"}},
		{"from nobody", smtp("MAIL_FROM="),
			[]string{"MAIL_FROM: is not set: write the sender's address, such as gate@example.com"}},
		{"from nowhere", smtp("MAIL_FROM=gate"),
			[]string{
				`MAIL_FROM: "gate" is not an e-mail address: write jane@example.com or Jane Doe ` +
					`<jane@example.com>`}},
		{"to nobody", smtp("MAIL_TO="),
			[]string{
				"MAIL_TO: is not set, and SMTP_ADDR is: write who gets the mail, or set NOTIFY_SALES_REP=true"}},
		{"to no address", smtp("MAIL_TO=jane@example.com;jim@example.com"),
			[]string{
				`MAIL_TO: "jane@example.com;jim@example.com" is not a list of e-mail addresses: ` +
					`separate them with commas, as in jane@example.com, Jim Doe <jim@example.com>`}},
		{"to letters outside ASCII", smtp("MAIL_TO=jane@grün.example,jörg@example.com"), []string{
			`MAIL_TO: the address "jane@grün.example" has a letter outside ASCII, ` +
				`which some mail servers reject: write the domain in its xn-- form`,
			`MAIL_TO: the address "jörg@example.com" has a letter outside ASCII, ` +
				`which some mail servers reject: write the domain in its xn-- form`}},
		{"redirect", smtp("NOTIFY_REDIRECT=me"),
			[]string{
				`NOTIFY_REDIRECT: "me" is not an e-mail address: write jane@example.com or Jane Doe ` +
					`<jane@example.com>`}},
		{"no mail server", []string{"MAIL_TO=jane@example.com", "NOTIFY_SALES_REP=true",
			"NOTIFY_REDIRECT=me@example.com"}, []string{
			"MAIL_TO: is set, and SMTP_ADDR is not: write the mail server's host:port there",
			"NOTIFY_SALES_REP: is set, and SMTP_ADDR is not: write the mail server's host:port there",
			"NOTIFY_REDIRECT: is set, and SMTP_ADDR is not: write the mail server's host:port there"}},
		{"URLs", []string{
			"NOTIFY_URLS=slack://hush-token, https://hooks.example.com/fine, " +
				"http://hooks.example.com/hush-token"}, []string{
			"NOTIFY_URLS: URL 1 of 3 is not a valid slack:// URL: " +
				"see https://shoutrrr.nickfedor.com/services/",
			"NOTIFY_URLS: URL 3 of 3 begins with http://, but its host is another machine: " +
				"write https://, so notices are encrypted on the way"}},
		{"warnings", smtp("NOTIFY_WARNINGS=2"),
			[]string{`NOTIFY_WARNINGS: "2" is not valid: write true or false`}},
		{"boolean", smtp("NOTIFY_SALES_REP=perhaps"),
			[]string{`NOTIFY_SALES_REP: "perhaps" is not valid: write true or false`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := loadHolder(test.variables...)
			var faults Faults
			require.ErrorAs(t, err, &faults)
			var texts []string
			for _, fault := range faults {
				texts = append(texts, fault.Error())
			}
			assert.ElementsMatch(t, test.want, texts)
			assert.NotContains(t, err.Error(), "hush")
		})
	}
}

func TestMailGoesWithoutMailTo(t *testing.T) {
	for name, variable := range map[string]string{
		"to the sales rep":                "NOTIFY_SALES_REP=true",
		"with a password on this machine": "MAIL_TO=jane@example.com",
	} {
		_, err := loadHolder("SMTP_ADDR=localhost:1025", "SMTP_TLS=none", "SMTP_USERNAME=gate",
			"SMTP_PASSWORD=hush", "MAIL_FROM=gate@example.com", variable)
		require.NoError(t, err, name)
	}
	_, err := loadHolder("SMTP_ADDR=localhost:1025", "MAIL_FROM=gate@example.com",
		"NOTIFY_URLS=https://hooks.example.com/x", "NOTIFY_REDIRECT=me@example.com")
	require.NoError(t, err, "the redirect gets what chats would get")
}

func TestNoticesUseTheTimeZoneThatIsSet(t *testing.T) {
	settings, err := loadHolder("TZ=Asia/Tokyo")
	require.NoError(t, err)
	options := settings.Options()
	assert.Equal(t, "Asia/Tokyo", options.Location.String())
	_, err = loadHolder("TZ=Mars/Olympus")
	require.ErrorContains(t, err, `TZ: "Mars/Olympus" is not valid: write a time zone such as`)
}

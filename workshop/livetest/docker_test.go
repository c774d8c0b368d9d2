package livetest_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/dev/childprocess"
)

// standIns maps image repositories of the compose files to the folders in images/ that build
// stand-ins for them. So a build server does not need a registry.
var standIns = map[string]string{
	"golang":                               "golang",
	"postgres":                             "postgres",
	"temporalio/server":                    "temporal-server",
	"temporalio/admin-tools":               "temporal-tools",
	"temporalio/ui":                        "temporal-ui",
	"otel/opentelemetry-collector-contrib": "otel-collector",
	"prom/prometheus":                      "prometheus",
	"axllent/mailpit":                      "mailpit",
	"grafana/grafana":                      "grafana",
	"jaegertracing/jaeger":                 "jaeger",
}

// dockerHost is a Debian system that runs Docker for the test. It shares the test's network, so the
// test reaches the ports that containers publish on loopback.
type dockerHost struct {
	root     string // the path of the host's root for the test
	checkout string // the path of the checkout on the host
	dockerd  *childprocess.Child
}

// bootScript makes ROOT the root of a new mount namespace, and becomes dockerd. A chroot is not
// enough, because 'docker exec' would look for its command in the namespace's root. The mounts must
// be invisible to the test, because it removes ROOT at the end and would remove their content.
const bootScript = `
	mount --make-rprivate /
	mount --bind "$ROOT" "$ROOT"
	cd "$ROOT"
	mount -t proc proc proc
	mount -t sysfs sysfs sys
	mount --rbind /sys/fs/cgroup sys/fs/cgroup
	mount -t tmpfs tmpfs dev
	cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev/
	ln -s /proc/self/fd dev/fd
	mount -t tmpfs tmpfs run
	echo nameserver 127.0.0.1 >etc/resolv.conf # refuses at once, so nothing waits for a timeout
	if [ -n "${DOCKER_DATA:-}" ]; then
		mkdir -p "$DOCKER_DATA" var/lib/docker
		mount --bind "$DOCKER_DATA" var/lib/docker
	fi
	pivot_root . mnt
	umount --lazy /mnt
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin dockerd --cgroup-parent=/error-check-gate-test`

// removeCgroups removes the control groups, because they don't end with a namespace.
const removeCgroups = `find /sys/fs/cgroup -depth -type d -path ` +
	`'*/error-check-gate-test*' -exec rmdir {} +`

// startDocker starts a host with the checkout on it. If DOCKER_DATA is set, that folder keeps the
// images for the next run. startDocker removes containers and volumes of an earlier run.
func startDocker(t *testing.T) *dockerHost {
	t.Helper()
	h := &dockerHost{root: filepath.Join(t.TempDir(), "machine"), checkout: "/root/error-check-gate"}
	run(t, "", []string{"ROOT=" + h.root, "FROM=" + checkout(t), "TO=" + h.root + h.checkout}, `
		mkdir "$ROOT"
		tar -C "$ROOT" -xf "$DOCKER_ROOT"
		cp -r "$FROM" "$TO"`)
	h.boot(t)
	t.Cleanup(func() {
		assert.NoError(t, h.dockerd.Stop())
		if left, err := try(t, "", nil, removeCgroups); err != nil && !t.Failed() {
			assert.NoError(t, err, left)
		}
	})
	h.run(t, `
		docker ps --all --quiet | xargs --no-run-if-empty docker rm --force
		docker volume prune --all --force
		docker network prune --force`)
	return h
}

func (h *dockerHost) boot(t *testing.T) {
	t.Helper()
	var log bytes.Buffer
	line := []string{"--mount", "bash", "-o", "errexit", "-c", bootScript}
	command := exec.Command("unshare", line...) //nolint:gosec,noctx // Stop ends it
	command.Env = append(command.Environ(), "ROOT="+h.root)
	command.Stdout, command.Stderr = &log, &log
	var err error
	h.dockerd, err = childprocess.Start("dockerd", command)
	require.NoError(t, err)
	eventually(t, serviceReady, "dockerd does not answer", func() (bool, string) {
		select {
		case <-h.dockerd.Done():
			require.Fail(t, "dockerd ended", "%v\n%s", h.dockerd.Err(), log.String())
		default:
		}
		answer, err := h.try(t, "docker version")
		return err == nil, answer
	})
}

// shutDown stops dockerd, which stops the containers first.
func (h *dockerHost) shutDown(t *testing.T) {
	t.Helper()
	require.NoError(t, syscall.Kill(h.dockerd.PID(), syscall.SIGTERM))
	requireEnd(t, h.dockerd)
}

func requireEnd(t *testing.T, child *childprocess.Child) {
	t.Helper()
	select {
	case <-child.Done():
	case <-time.After(composeReady):
		require.Fail(t, "the child process does not end")
	}
}

// shell returns the command line that runs a script in the checkout on the host, as a person would.
// The script does not get the test's environment.
func (h *dockerHost) shell(script string) []string {
	return []string{
		"nsenter", "--target", strconv.Itoa(h.dockerd.PID()), "--mount", "--",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		"bash", "-o", "errexit", "-o", "pipefail", "-c", "cd " + h.checkout + "\n" + script,
	}
}

func (h *dockerHost) run(t *testing.T, script string) string {
	t.Helper()
	output, err := h.try(t, script)
	require.NoError(t, err, "%s\n%s", script, output)
	return output
}

func (h *dockerHost) try(t *testing.T, script string) (output string, err error) {
	t.Helper()
	return tryCommand(t, "", nil, h.shell(script)...)
}

// background runs a script until interrupt is called, which works like Ctrl-C.
func (h *dockerHost) background(t *testing.T, script string) (interrupt func()) {
	t.Helper()
	line := h.shell(script)
	command := exec.Command(line[0], line[1:]...) //nolint:gosec,noctx // the page's own, and Stop ends it
	child, err := childprocess.Start("docker compose", command)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, child.Stop()) })
	return func() {
		require.NoError(t, syscall.Kill(-child.PID(), syscall.SIGINT))
		requireEnd(t, child)
	}
}

// buildStandIns builds an image for each name in the compose files and the Dockerfile.
func (h *dockerHost) buildStandIns(t *testing.T) {
	t.Helper()
	run(t, "../..", []string{"CONTEXT=" + filepath.Join(h.root, "images")}, `
		cp -r workshop/livetest/images "$CONTEXT"
		mkdir "$CONTEXT/bin"
		cp -L "$TEMPORAL_CLI" "$CONTEXT/bin/temporal"
		cp -L "$MAILPIT_CLI" "$CONTEXT/bin/mailpit"
		for name in temporal-server temporal-sql-tool temporal-ui otel-collector; do
			cp -L "bin/$name" "$CONTEXT/bin/"
		done
		modules=$(go env GOMODCACHE)
		version=$(sed -n 's/^TEMPORAL_SERVER_VERSION *:= *//p' Makefile)
		server="$modules/go.temporal.io/server@v$version"
		cp "$server/docker/scripts/sh/entrypoint.sh" "$CONTEXT/temporal-server/"
		cp -r "$(go env GOROOT)" "$CONTEXT/go"
		export GOMODCACHE="$CONTEXT/modcache" GOPROXY="file://$modules/cache/download"
		GOSUMDB=off GOFLAGS=-modcacherw go mod download
		mv "$CONTEXT/modcache/cache/download" "$CONTEXT/modules"
		rm -rf "$CONTEXT/modcache"`)
	h.run(t, `docker image inspect machine >/dev/null 2>&1 || tar --one-file-system \
		--exclude=./images --exclude=./root --exclude=./var/lib/docker --exclude='./usr/bin/docker*' \
		--exclude=./usr/libexec/docker --exclude='./usr/*bin/containerd*' -C / -c . | docker import - machine`)
	images := h.run(t, `
		sed -n 's/^FROM \(.*:.*\) AS .*/\1/p' Dockerfile
		docker compose --file docker-compose.yml --file deploy/demo/docker-compose.yml config --images`)
	for image := range strings.FieldsSeq(images) {
		repository, _, _ := strings.Cut(image, ":")
		if repository == "error-check-gate" || repository == "error-check-gate-dev" {
			continue // our own Dockerfile builds it
		}
		folder, known := standIns[repository]
		require.True(t, known, "no stand-in for the image %s", image)
		h.run(t, "docker build --quiet --tag "+image+" --file /images/"+folder+"/Dockerfile /images")
	}
}

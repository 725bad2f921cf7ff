# Installing hubd as a system service. Included by the Makefile; also works alone:
#   make -f systemd/install.mk install PREFIX=/opt/hubd [DESTDIR=/some/root]

PREFIX ?= /opt/hubd
SYSCONFDIR ?= /etc/hubd
BINDIR ?= /usr/local/bin
UNITDIR ?= /etc/systemd/system
SYSUSERSDIR ?= /etc/sysusers.d
# The service runs without /home and /root: a Python below them would be out of its sight.
INSTALL_PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3 /usr/local/bin/python3))

INSTALLED_UNITS := hubd.service hubd-http.socket hubd-ssh.socket
# None of these may be empty: what follows removes and overwrites below them.
install uninstall: export DEST = $(DESTDIR)$(PREFIX)

.PHONY: install install-program install-config install-units uninstall

install: install-program install-config install-units ## Install as a systemd service (PREFIX=/opt/hubd, DESTDIR=).
	@echo "hubd is installed in $(DESTDIR)$(PREFIX), its settings in $(DESTDIR)$(SYSCONFDIR)."
	@echo "Start it: systemctl enable --now hubd-http.socket hubd-ssh.socket hubd.service"

install-program: ## Install only the program below PREFIX
	@test -n "$(PREFIX)" || { echo "PREFIX must not be empty." >&2; exit 1; }
	@"$(INSTALL_PYTHON)" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "A Python of at least 3.11 with venv is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@command -v git >/dev/null || { echo "git is needed: apt-get install git" >&2; exit 1; }
	"$(INSTALL_PYTHON)" -m venv "$(DEST)"
	"$(DEST)/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
		--require-hashes -r requirements.lock
	"$(DEST)/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
		--no-deps --no-build-isolation --force-reinstall .
	# A venv knows its own address: with DESTDIR it must learn the one it will have.
	if [ -n "$(DESTDIR)" ]; then \
		grep -rlIF "$(DEST)" "$(DEST)/bin" "$(DEST)/pyvenv.cfg" | \
			xargs -r sed -i 's|$(DEST)|$(PREFIX)|g'; \
	fi
	"$(INSTALL_PYTHON)" -m compileall -q -j 0 -s "$(DESTDIR)" "$(DEST)/lib" || true
	install -d "$(DEST)/share/doc/hubd"
	cp -R README.md docs/. "$(DEST)/share/doc/hubd/"

install-config: ## Install only the settings, where there are none
	install -d -m 0755 "$(DESTDIR)$(SYSCONFDIR)"
	# Settings are the operator's: never overwritten. A new sample lies beside them.
	{ echo '# Settings of hubd.service; every other setting is listed below or in docs/settings.md.'; \
	  echo 'data_dir = "/var/lib/hubd"'; \
	  echo 'log_format = "json"'; \
	  if [ -f config/hubd.toml ]; then echo; grep -vE '^(data_dir|log_format) *=' config/hubd.toml; fi; \
	} > "$(DESTDIR)$(SYSCONFDIR)/hubd.toml.sample"
	test -e "$(DESTDIR)$(SYSCONFDIR)/hubd.toml" || \
		cp "$(DESTDIR)$(SYSCONFDIR)/hubd.toml.sample" "$(DESTDIR)$(SYSCONFDIR)/hubd.toml"
	test -e "$(DESTDIR)$(SYSCONFDIR)/hubd.env" || \
		install -m 0600 systemd/hubd.env "$(DESTDIR)$(SYSCONFDIR)/hubd.env"
	# The commands of this installation find its settings by themselves.
	install -d "$(DEST)/etc" "$(DESTDIR)$(BINDIR)"
	ln -sfn "$(SYSCONFDIR)/hubd.toml" "$(DEST)/etc/hubd.toml"
	ln -sfn "$(PREFIX)/bin/hubd" "$(DESTDIR)$(BINDIR)/hubd"

install-units: ## Install only the units
	install -d "$(DESTDIR)$(UNITDIR)" "$(DESTDIR)$(SYSUSERSDIR)"
	for unit in $(INSTALLED_UNITS); do \
		sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@CONFIG@|$(SYSCONFDIR)|g' "systemd/$$unit" \
			> "$(DESTDIR)$(UNITDIR)/$$unit" || exit 1; \
	done
	install -m 0644 systemd/hubd.sysusers "$(DESTDIR)$(SYSUSERSDIR)/hubd.conf"
	if [ -z "$(DESTDIR)" ]; then \
		systemd-sysusers "$(SYSUSERSDIR)/hubd.conf"; \
		if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi; \
	fi

uninstall: ## Remove program and units; settings and data stay.
	@test -n "$(PREFIX)" || { echo "PREFIX must not be empty." >&2; exit 1; }
	if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
		systemctl disable --now $(INSTALLED_UNITS) || true; \
	fi
	for unit in $(INSTALLED_UNITS); do rm -f "$(DESTDIR)$(UNITDIR)/$$unit"; done
	rm -f "$(DESTDIR)$(SYSUSERSDIR)/hubd.conf" "$(DESTDIR)$(BINDIR)/hubd"
	test ! -f "$(DEST)/pyvenv.cfg" || rm -rf "$(DEST)"

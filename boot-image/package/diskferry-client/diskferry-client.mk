################################################################################
#
# diskferry-client
#
################################################################################

DISKFERRY_CLIENT_VERSION = 0.1.0
DISKFERRY_CLIENT_SOURCE =
DISKFERRY_CLIENT_LICENSE = Apache-2.0
DISKFERRY_CLIENT_EXECUTABLE = $(BR2_EXTERNAL_DISKFERRY_PATH)/../dist/imaging-client

# Nothing is downloaded or compiled here: "npm run client" has made it. It is
# copied by a hook that each build runs, so that a new client never waits for
# somebody to clean this package.
define DISKFERRY_CLIENT_INSTALL_EXECUTABLE
	$(INSTALL) -D -m 0755 $(DISKFERRY_CLIENT_EXECUTABLE) \
		$(TARGET_DIR)/usr/bin/imaging-client
endef
DISKFERRY_CLIENT_TARGET_FINALIZE_HOOKS += DISKFERRY_CLIENT_INSTALL_EXECUTABLE

$(eval $(generic-package))

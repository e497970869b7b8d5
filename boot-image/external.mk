include $(sort $(wildcard $(BR2_EXTERNAL_DISKFERRY_PATH)/package/*/*.mk))
